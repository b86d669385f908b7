package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
)

const (
	signingSecret = "gitover-signing"
	trustedSecret = "trusted-signers"
)

// signs has Gitover sign its commits, and wait for an approval.
func signs(file, content string) string {
	content = manual(file, content)
	const push = "    pushSecretRef:\n      name: fleet-push\n"
	return strings.Replace(content, push, push+"    commit:\n      signOff: true\n      signingKey:\n        type: ssh\n        secretRef:\n          name: "+signingSecret+"\n", 1)
}

// Flux applies signed commits only: people's, and Gitover's, whose key is replaced on the way.
func TestAnUpgradeIsSignedFromTheFirstCommitToTheLastAndFluxAppliesNothingElse(t *testing.T) {
	t.Parallel()
	s := begin(t, testenv.AppOptions{Namespace: "signed", Git: ownRepository(t, "signed"), Change: signs})
	ctx, dir := t.Context(), t.TempDir()
	key := func(name string) fleet.SigningKey {
		key, err := fleet.NewSigningKey(ctx, dir, name)
		s.must(err)
		return key
	}
	ada, first, second := key("ada"), key("first"), key("second")
	s.must(s.app.Repository.SignWith(ctx, ada))
	use := func(signs fleet.SigningKey, trusted ...fleet.SigningKey) {
		data := map[string]string{}
		for i, key := range append(trusted, ada) {
			data[fmt.Sprintf("%d.sshpub", i)] = key.Public
		}
		s.must(s.app.SetSecret(ctx, trustedSecret, data))
		s.must(s.app.SetSecret(ctx, signingSecret, map[string]string{"identity": signs.Private}))
	}

	// Flux doesn't know Gitover's key: the preflight says so, and nothing is committed.
	use(first)
	s.must(s.app.VerifySignatures(ctx, trustedSecret))
	s.merge("17")
	s.must(s.app.AwaitUpgrade(ctx, 5*time.Minute, "Flux would refuse the key", testenv.Says("SecretInvalid", trustedSecret)))
	use(first, first)

	// Another plan than the approved one isn't run.
	s.edit("Approve something else", "    approval: Manual\n", "    approval: Manual\n    approvedVersion: \"17\"\n    approvedPlan: \"000000000000\"\n")
	s.must(s.app.AwaitUpgrade(ctx, 10*time.Minute, "the gate is closed", testenv.Says("WaitingForApproval", "approvedPlan 000000000000", "postgres:17")))
	u, err := s.app.Upgrade(ctx)
	s.must(err)
	plan := u.Status.Plan.Digest
	s.edit("Approve the plan", "000000000000", plan[:12])
	s.awaitSoak("orders-17")

	s.thereAndBack("orders-15", "orders-17")

	use(second, first, second)
	s.keep("17")
	s.isGone("orders-15", "15")
	s.cleanOn("orders-17")

	log, err := s.app.Repository.Log(ctx, "")
	s.must(err)
	steps := map[string]bool{}
	for _, c := range log {
		step := c.Trailers["Gitover-Step"]
		if step == "" {
			continue
		}
		steps[step] = true
		by := first
		if step == "CommitFinalize" {
			by = second
		}
		if err := s.app.Repository.Verify(ctx, c.SHA, by); err != nil {
			t.Errorf("%s isn't signed by the key that was there then: %v", step, err)
		}
		if by := c.Trailers["Gitover-Approved"]; step == "CommitCutover" && (c.Trailers["Gitover-Plan"] != plan || !strings.HasPrefix(by, "by ") || !strings.HasSuffix(by, ", signed")) {
			t.Errorf("who approved what: %v", c.Trailers)
		}
		if !strings.HasPrefix(c.Trailers["Signed-off-by"], "Gitover <") {
			t.Errorf("%s isn't signed off: %v", step, c.Trailers)
		}
	}
	if !steps["CommitGreen"] || !steps["CommitCutover"] || !steps["CommitFinalize"] {
		t.Errorf("commits of %v", steps)
	}
	source := &sourcev1.GitRepository{}
	s.must(s.app.Client.Get(ctx, client.ObjectKey{Namespace: s.app.Namespace, Name: "fleet"}, source))
	if !apimeta.IsStatusConditionTrue(source.Status.Conditions, sourcev1.SourceVerifiedCondition) {
		t.Errorf("Flux verified nothing: %+v", source.Status.Conditions)
	}
	s.lostNothing("orders-17", 3)
}
