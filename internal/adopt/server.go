package adopt

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres"
)

// withLogicalByReplica is the first version whose wal_level replica is enough.
const withLogicalByReplica = 19

var (
	versionOfTag = regexp.MustCompile(`^([0-9]+)(\.[0-9]+)*`)
	walLevel     = regexp.MustCompile(`wal_level\s*=\s*'?([a-z]+)`)
)

// readServer takes version, image and Secret from the container.
func (f *Found) readServer(c *corev1.Container) error {
	image, tag := splitImage(c.Image)
	f.Image = image
	if match := versionOfTag.FindStringSubmatch(tag); match != nil && steps.Supported(match[1]) {
		f.Tag = "{version}" + strings.TrimPrefix(tag, match[0])
		if f.Version == "" {
			f.Version = match[1]
		}
	}
	if f.Version == "" {
		return fmt.Errorf("image %s of StatefulSet %s doesn't say which PostgreSQL version it has; say it by --server-version", c.Image, f.StatefulSet)
	}
	if !steps.Supported(f.Version) {
		return fmt.Errorf("PostgreSQL %s isn't supported; supported are %s", f.Version, postgres.SupportedVersions())
	}
	if f.Tag == "" {
		f.Tag = "{version}"
		f.hint("image %s has no tag of a version: correct spec.instance.images in upgrade.yaml", c.Image)
	}
	f.explain("StatefulSet %s runs PostgreSQL %s, image %s", f.StatefulSet, f.Version, c.Image)
	f.secretOf(c)
	words := strings.Join(append(append([]string{}, c.Command...), c.Args...), " ")
	if match := walLevel.FindStringSubmatch(words); match != nil {
		return f.judgeWALLevel(match[1])
	}
	return nil
}

func (f *Found) judgeWALLevel(level string) error {
	version, _ := postgres.ParseVersion(f.Version)
	if level == "logical" || level == "replica" && version >= withLogicalByReplica {
		return nil
	}
	return fmt.Errorf("wal_level of %s is %s, and logical replication needs logical: set wal_level = logical where the server is configured (or ALTER SYSTEM SET wal_level = 'logical'), restart it, and run this again", f.StatefulSet, level)
}

// secretOf the superuser, as the container's variables have it.
func (f *Found) secretOf(c *corev1.Container) {
	f.UsernameKey, f.PasswordKey = "username", "password"
	for _, e := range c.Env {
		if e.ValueFrom == nil || e.ValueFrom.SecretKeyRef == nil {
			continue
		}
		ref := e.ValueFrom.SecretKeyRef
		switch e.Name {
		case "POSTGRES_PASSWORD", "POSTGRESQL_POSTGRES_PASSWORD", "PGPASSWORD_SUPERUSER":
			if f.Secret == "" || f.Secret == ref.Name {
				f.Secret, f.PasswordKey = ref.Name, ref.Key
			}
		case "POSTGRES_USER":
			if f.Secret == "" || f.Secret == ref.Name {
				f.UsernameKey = ref.Key
			}
		}
	}
}

func (f *Found) findSecret(ctx context.Context, c client.Reader, choose Choose) error {
	if f.Secret == "" {
		name, err := choose("Secret of the superuser", "superuser-secret", nil)
		if err != nil {
			return err
		}
		f.Secret = name
	}
	var secret corev1.Secret
	err := c.Get(ctx, client.ObjectKey{Namespace: f.Namespace, Name: f.Secret}, &secret)
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("the superuser's Secret %s isn't in namespace %s: create it (kubectl -n %s create secret generic %s --from-literal=username=postgres --from-file=password=FILE), or name another by --superuser-secret",
			f.Secret, f.Namespace, f.Namespace, f.Secret)
	case apierrors.IsForbidden(err):
		f.hint("you may not read Secret %s: see that it has the keys %s and %s", f.Secret, f.UsernameKey, f.PasswordKey)
		return nil
	case err != nil:
		return fmt.Errorf("read Secret %s: %w", f.Secret, err)
	}
	for _, key := range []string{f.UsernameKey, f.PasswordKey} {
		if len(secret.Data[key]) == 0 {
			return fmt.Errorf("the Secret %s has no key %q: add it (kubectl -n %s edit secret %s), or name another by --superuser-secret", f.Secret, key, f.Namespace, f.Secret)
		}
	}
	f.explain("Secret %s has the superuser's name and password (keys %s, %s)", f.Secret, f.UsernameKey, f.PasswordKey)
	return nil
}

// Ask the server itself whether it can be adopted. It reads only.
func (f *Found) Ask(ctx context.Context, server postgres.Server) error {
	var level string
	var superuser bool
	err := postgres.WithSession(ctx, server, "", func(conn *pgx.Conn) error {
		version, err := postgres.VersionOf(ctx, conn)
		if err != nil {
			return err
		}
		f.Version = fmt.Sprint(version)
		return conn.QueryRow(ctx, "SELECT current_setting('wal_level'), current_setting('is_superuser') = 'on'").Scan(&level, &superuser)
	})
	switch {
	case err != nil:
		return err
	case !steps.Supported(f.Version):
		return fmt.Errorf("%s runs PostgreSQL %s, which isn't supported; supported are %s", server.Address(), f.Version, postgres.SupportedVersions())
	case !superuser:
		return fmt.Errorf("%s isn't a superuser on %s, as Gitover has to be: name one in --from", server.User, server.Address())
	}
	f.explain("The server answers: PostgreSQL %s, wal_level %s", f.Version, level)
	return f.judgeWALLevel(level)
}

// splitImage into its name and tag; a digest is left out.
func splitImage(image string) (name, tag string) {
	image, _, _ = strings.Cut(image, "@")
	colon := strings.LastIndexByte(image, ':')
	if colon < 0 || strings.Contains(image[colon:], "/") {
		return image, ""
	}
	return image[:colon], image[colon+1:]
}

// imageName is the last part of an image's name.
func imageName(image string) string {
	name, _ := splitImage(image)
	return name[strings.LastIndexByte(name, '/')+1:]
}
