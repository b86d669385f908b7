package service

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/pooler"
)

// manager is the value of the label by which everybody sees who writes a slice.
const manager = "gitover.dev"

// Annotations of the slice: where it leads.
const (
	annotationInstance = "gitover.dev/instance"
	annotationHost     = "gitover.dev/host"
	annotationPort     = "gitover.dev/port"
)

// Service is what a PgProxy leads. It implements switchover.Pooler.
type Service struct {
	// Reader reads what is there now, and not a cache; Writer writes the slice.
	Reader client.Reader
	Writer client.Writer
	// Namespace and name of the Service, and the PgProxy that leads it.
	Namespace, Service, Proxy string
	// Addresses resolves instances that are no Service of the namespace.
	Addresses *pooler.Addresses

	mu sync.Mutex
	// staged is the next slice of a switch.
	staged map[string]*discoveryv1.EndpointSlice
}

// ConflictError: the Service isn't one that Gitover can lead; a human must act.
type ConflictError struct{ Message string }

func (e *ConflictError) Error() string { return e.Message }

// Name implements switchover.Pooler.
func (s *Service) Name() string { return "Service " + s.Service }

func (s *Service) sliceName() string { return s.Proxy + "-gitover" }

// State implements switchover.Pooler. It is verified if the slice has the addresses that the instance has now.
func (s *Service) State(ctx context.Context) (protocol.PoolerState, error) {
	have, err := s.slice(ctx)
	if err != nil || have == nil {
		return protocol.PoolerState{}, err
	}
	port, _ := strconv.Atoi(have.Annotations[annotationPort])
	target := protocol.Target{Instance: have.Annotations[annotationInstance], Host: have.Annotations[annotationHost], Port: port}
	state := protocol.PoolerState{Target: target, Version: "Kubernetes Service"}
	want, err := s.render(ctx, target)
	if err != nil {
		return state, err
	}
	state.Verified = same(have, want)
	return state, nil
}

// Stage implements switchover.Pooler: the new side must have an address now, of the family that the slice has.
func (s *Service) Stage(ctx context.Context, request protocol.StageRequest) error {
	if err := s.lookUp(ctx, request.To); err != nil {
		return err
	}
	next, err := s.render(ctx, request.To)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.staged = map[string]*discoveryv1.EndpointSlice{request.SwitchID: next}
	return nil
}

// Hold implements switchover.Pooler: nothing can be held.
func (s *Service) Hold(_ context.Context, _ protocol.HoldRequest, entered func()) error {
	entered()
	return nil
}

// Flip implements switchover.Pooler. The slice is written when the switch is decided: should the controller die before, clients
// have to reach the old side.
func (s *Service) Flip(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.staged[id] == nil {
		return &protocol.StaleSwitchError{Pooler: s.Name(), Message: "switch " + id + " is not staged"}
	}
	return nil
}

// Resume implements switchover.Pooler.
func (s *Service) Resume(ctx context.Context, id string) error {
	s.mu.Lock()
	next := s.staged[id]
	s.mu.Unlock()
	if next == nil {
		return &protocol.StaleSwitchError{Pooler: s.Name(), Message: "switch " + id + " is not staged"}
	}
	return s.write(ctx, next)
}

// Abort implements switchover.Pooler: the slice still leads to the old side.
func (s *Service) Abort(context.Context, string) error { return nil }

// Follow makes the slice lead to a target, with the addresses that it has now. An instance that has none keeps the last
// ones. A second call changes nothing.
func (s *Service) Follow(ctx context.Context, target protocol.Target) error {
	_ = s.lookUp(ctx, target) // what was known stays
	want, err := s.render(ctx, target)
	if err != nil {
		return err
	}
	return s.write(ctx, want)
}

// lookUp has render lead to the present address of a target's name. Endpoints of a Service are never remembered.
func (s *Service) lookUp(ctx context.Context, target protocol.Target) error {
	if _, ok := s.sibling(target.Host); ok {
		return nil
	}
	_, err := s.Addresses.Refresh(ctx, target.Host)
	return err
}

// slice that is there; nil if none is.
func (s *Service) slice(ctx context.Context) (*discoveryv1.EndpointSlice, error) {
	have := &discoveryv1.EndpointSlice{}
	err := s.Reader.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: s.sliceName()}, have)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read EndpointSlice %s: %w", s.sliceName(), err)
	}
	return have, nil
}

// write the slice if it differs.
func (s *Service) write(ctx context.Context, want *discoveryv1.EndpointSlice) error {
	have, err := s.slice(ctx)
	if err != nil {
		return err
	}
	switch {
	case have == nil:
		err = s.Writer.Create(ctx, want.DeepCopy(), client.FieldOwner(manager))
	case have.Labels[discoveryv1.LabelManagedBy] != manager:
		return &ConflictError{fmt.Sprintf("EndpointSlice %s is not Gitover's; remove it", s.sliceName())}
	case !same(have, want):
		next := have.DeepCopy()
		next.Endpoints, next.Ports, next.Annotations, next.Labels = want.Endpoints, want.Ports, want.Annotations, want.Labels
		err = s.Writer.Update(ctx, next, client.FieldOwner(manager))
	}
	if err != nil {
		return fmt.Errorf("write EndpointSlice %s: %w", s.sliceName(), err)
	}
	return nil
}

// same compares where two slices lead.
func same(a, b *discoveryv1.EndpointSlice) bool {
	addresses := func(s *discoveryv1.EndpointSlice) (all []string) {
		for _, e := range s.Endpoints {
			all = append(all, e.Addresses...)
		}
		slices.Sort(all)
		return all
	}
	for _, key := range []string{annotationInstance, annotationHost, annotationPort} {
		if a.Annotations[key] != b.Annotations[key] {
			return false
		}
	}
	return slices.Equal(addresses(a), addresses(b)) && len(a.Ports) == 1 && len(b.Ports) == 1 &&
		ptr.Equal(a.Ports[0].Port, b.Ports[0].Port) && ptr.Equal(a.Ports[0].Name, b.Ports[0].Name)
}

// render the slice that leads to a target.
func (s *Service) render(ctx context.Context, target protocol.Target) (*discoveryv1.EndpointSlice, error) {
	service, err := s.ours(ctx)
	if err != nil {
		return nil, err
	}
	have, err := s.slice(ctx)
	if err != nil {
		return nil, err
	}
	prefer := discoveryv1.AddressTypeIPv4
	if have != nil {
		prefer = have.AddressType
	}
	addresses, port, family, err := s.endpoints(ctx, target, prefer)
	if err != nil {
		return nil, err
	}
	if err := fits(service, have, target, family); err != nil {
		return nil, err
	}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.Namespace, Name: s.sliceName(),
			Labels: map[string]string{discoveryv1.LabelServiceName: s.Service, discoveryv1.LabelManagedBy: manager, "gitover.dev/proxy": s.Proxy},
			Annotations: map[string]string{
				annotationInstance: target.Instance, annotationHost: target.Host, annotationPort: strconv.Itoa(target.Port),
			},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Service", Name: service.Name, UID: service.UID}},
		},
		AddressType: family,
		Ports:       []discoveryv1.EndpointPort{{Name: ptr.To(service.Spec.Ports[0].Name), Port: ptr.To(port), Protocol: ptr.To(corev1.ProtocolTCP)}},
	}
	for _, address := range addresses {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)}})
	}
	return slice, nil
}

// fits says whether the Service can lead to addresses of a family: kube-proxy heeds no others than the Service's own, and a slice keeps its
// address type.
func fits(service *corev1.Service, have *discoveryv1.EndpointSlice, target protocol.Target, family discoveryv1.AddressType) error {
	if families := service.Spec.IPFamilies; len(families) > 0 && !slices.Contains(families, corev1.IPFamily(family)) {
		return &ConflictError{fmt.Sprintf("%s has only %s addresses, and Service %s leads to none of those (ipFamilies %v); give %s an address of that family, or the Service ipFamilyPolicy: PreferDualStack",
			target.Instance, family, service.Name, families, target.Instance)}
	}
	if have != nil && have.AddressType != family {
		return &ConflictError{fmt.Sprintf("%s has only %s addresses, and EndpointSlice %s holds %s ones, which Kubernetes lets no one change; give %s an %s address, too",
			target.Instance, family, have.Name, have.AddressType, target.Instance, have.AddressType)}
	}
	return nil
}

// ours is the Service, if it is one that Gitover can lead.
func (s *Service) ours(ctx context.Context) (*corev1.Service, error) {
	service := &corev1.Service{}
	err := s.Reader.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: s.Service}, service)
	switch {
	case apierrors.IsNotFound(err):
		return nil, &ConflictError{fmt.Sprintf("Service %s does not exist; create it, without a selector", s.Service)}
	case err != nil:
		return nil, fmt.Errorf("read Service %s: %w", s.Service, err)
	case len(service.Spec.Selector) > 0:
		return nil, &ConflictError{fmt.Sprintf("Service %s has a selector, so Kubernetes leads it, too; remove the selector", s.Service)}
	case service.Spec.Type == corev1.ServiceTypeExternalName || len(service.Spec.Ports) != 1:
		return nil, &ConflictError{fmt.Sprintf("Service %s needs exactly one port, and not the type ExternalName", s.Service)}
	}
	others, err := s.slicesOf(ctx, s.Service)
	others = slices.DeleteFunc(others, func(o discoveryv1.EndpointSlice) bool { return o.Name == s.sliceName() })
	if len(others) > 0 {
		return nil, &ConflictError{fmt.Sprintf("EndpointSlice %s leads Service %s, too; delete it, and Endpoints %s if they are there, once the selector is gone",
			others[0].Name, s.Service, s.Service)}
	}
	return service, err
}
