package service

import (
	"context"
	"fmt"
	"slices"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/steps/agent/protocol"
)

// endpoints of an instance: the ready ones of its Service, since kube-proxy leads to no other Service's address; else the
// address of its name. Of a Service with addresses of several families, those of the preferred one.
func (s *Service) endpoints(ctx context.Context, target protocol.Target, prefer discoveryv1.AddressType) (addresses []string, port int32, family discoveryv1.AddressType, err error) {
	if name, ok := s.sibling(target.Host); ok {
		return s.endpointsOf(ctx, name, prefer)
	}
	address, err := s.Addresses.Of(ctx, target.Host)
	if err != nil {
		return nil, 0, "", err
	}
	family = discoveryv1.AddressTypeIPv4
	if address.Is6() {
		family = discoveryv1.AddressTypeIPv6
	}
	return []string{address.String()}, int32(target.Port), family, nil
}

// sibling is the Service of the namespace that a host is.
func (s *Service) sibling(host string) (name string, ok bool) {
	name, ok = strings.CutSuffix(host, "."+s.Namespace+".svc")
	return name, ok && !strings.Contains(name, ".")
}

// slicesOf a Service.
func (s *Service) slicesOf(ctx context.Context, service string) ([]discoveryv1.EndpointSlice, error) {
	var list discoveryv1.EndpointSliceList
	if err := s.Reader.List(ctx, &list, client.InNamespace(s.Namespace), client.MatchingLabels{discoveryv1.LabelServiceName: service}); err != nil {
		return nil, fmt.Errorf("list EndpointSlices of Service %s: %w", service, err)
	}
	return list.Items, nil
}

// endpointsOf a Service of the namespace.
func (s *Service) endpointsOf(ctx context.Context, service string, prefer discoveryv1.AddressType) (addresses []string, port int32, family discoveryv1.AddressType, err error) {
	all, err := s.slicesOf(ctx, service)
	if err != nil {
		return nil, 0, "", err
	}
	for _, slice := range all {
		if slice.AddressType != prefer && family != "" {
			continue
		}
		var found []string
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				found = append(found, e.Addresses...)
			}
		}
		if len(found) == 0 || len(slice.Ports) == 0 || slice.Ports[0].Port == nil {
			continue
		}
		if len(slice.Ports) > 1 {
			return nil, 0, "", &ConflictError{fmt.Sprintf("Service %s has several ports; one of the instance must have PostgreSQL's alone", service)}
		}
		if slice.AddressType != family {
			addresses, family = nil, slice.AddressType
		}
		addresses, port = append(addresses, found...), *slice.Ports[0].Port
	}
	if len(addresses) == 0 {
		return nil, 0, "", fmt.Errorf("Service %s has no ready endpoint; look at its pods", service)
	}
	slices.Sort(addresses)
	return addresses, port, family, nil
}
