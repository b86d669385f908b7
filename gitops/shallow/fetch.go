package shallow

import (
	"context"
	"errors"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/plumbing/transport"
)

// Edge are commits of which a parent isn't in the clone, and was never asked for.
type Edge map[plumbing.Hash]struct{}

// Request says what to fetch.
type Request struct {
	Branches []string
	// Depth is how many commits of each branch the clone has to have, counted from its tip.
	Depth int
	// Have are commits that the clone has, with all that they contain up to the edge.
	Have []plumbing.Hash
	// Again asks for branches whose tips the clone has, too: their depth has grown.
	Again bool
}

// Fetch brings branches to the clone and returns their tips; a branch that the server doesn't have isn't among them. The edge is
// brought up to date, also when Fetch fails half-way, where a second call is harmless. Errors are those of the transport.
func Fetch(ctx context.Context, session transport.UploadPackSession, objects storer.Storer, edge Edge, request Request) (map[string]plumbing.Hash, error) {
	advertised, err := session.AdvertisedReferencesContext(ctx)
	if err != nil {
		return nil, err
	}
	ask := packp.NewUploadPackRequestFromCapabilities(advertised.Capabilities)
	tips := map[string]plumbing.Hash{}
	for _, branch := range request.Branches {
		tip, ok := advertised.References[plumbing.NewBranchReferenceName(branch).String()]
		if !ok {
			continue
		}
		tips[branch] = tip
		if request.Again || objects.HasEncodedObject(tip) != nil {
			ask.Wants = append(ask.Wants, tip)
		}
	}
	if len(ask.Wants) == 0 {
		return tips, nil
	}
	if err := limit(ask, advertised.Capabilities, edge, request.Depth); err != nil {
		return nil, err
	}
	for _, have := range request.Have {
		if objects.HasEncodedObject(have) == nil {
			ask.Haves = append(ask.Haves, have)
		}
	}
	return tips, receive(ctx, session, objects, edge, ask)
}

// limit the request to a depth, if the server can: all can that Git itself, or a forge's own implementation, serves.
func limit(ask *packp.UploadPackRequest, can *capability.List, edge Edge, depth int) error {
	if !can.Supports(capability.Shallow) {
		return nil
	}
	if err := ask.Capabilities.Set(capability.Shallow); err != nil {
		return err
	}
	ask.Depth = packp.DepthCommits(depth)
	for hash := range edge {
		ask.Shallows = append(ask.Shallows, hash)
	}
	return nil
}

func receive(ctx context.Context, session transport.UploadPackSession, objects storer.Storer, edge Edge, ask *packp.UploadPackRequest) error {
	response, err := session.UploadPack(ctx, ask)
	if errors.Is(err, transport.ErrEmptyUploadPackRequest) {
		return nil
	}
	if err != nil {
		return err
	}
	var pack io.Reader = response
	switch {
	case ask.Capabilities.Supports(capability.Sideband64k):
		pack = sideband.NewDemuxer(sideband.Sideband64k, response)
	case ask.Capabilities.Supports(capability.Sideband):
		pack = sideband.NewDemuxer(sideband.Sideband, response)
	}
	err = packfile.UpdateObjectStorage(objects, pack)
	if errors.Is(err, packfile.ErrEmptyPackfile) {
		err = nil
	}
	if closed := response.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	for _, hash := range response.Shallows {
		edge[hash] = struct{}{}
	}
	return edge.trim(objects)
}

// trim takes out the commits whose parents are there by now.
func (e Edge) trim(objects storer.EncodedObjectStorer) error {
	for hash := range e {
		commit, err := object.GetCommit(objects, hash)
		if err != nil {
			return err
		}
		whole := true
		for _, parent := range commit.ParentHashes {
			whole = whole && objects.HasEncodedObject(parent) == nil
		}
		if whole {
			delete(e, hash)
		}
	}
	return nil
}
