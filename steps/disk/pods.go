package disk

import (
	"path"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// Requested are the volumes that a StatefulSet asks for; none if it is nil.
func Requested(set *appsv1.StatefulSet) (volumes []Volume) {
	if set == nil {
		return nil
	}
	data, wal := Mounts(set.Spec.Template.Spec)
	for _, c := range set.Spec.VolumeClaimTemplates {
		if c.Name == data || c.Name == wal {
			volumes = append(volumes, Volume{Claim: c.Name, Capacity: c.Spec.Resources.Requests.Storage().Value(), Data: c.Name == data, WAL: c.Name == wal})
		}
	}
	return volumes
}

// usualHome of PostgreSQL's images that don't set PGDATA.
const usualHome = "/var/lib/postgresql"

// Mounts are the names of those among a pod's volumes that hold PostgreSQL's data directory, and its WAL alone; empty if none is found.
func Mounts(pod corev1.PodSpec) (data, wal string) {
	for _, c := range pod.Containers {
		if d, w := mountsOf(c); d != "" {
			return d, w
		}
	}
	return "", ""
}

func mountsOf(c corev1.Container) (data, wal string) {
	home, logs := variable(c, "PGDATA"), variable(c, "POSTGRES_INITDB_WALDIR")
	if home == "" {
		for _, m := range c.VolumeMounts {
			if within(m.MountPath, usualHome) && !namedWAL(m.MountPath) {
				home = m.MountPath
			}
		}
	}
	if home == "" {
		return "", ""
	}
	if logs == "" {
		logs = path.Join(home, "pg_wal")
	}
	data, wal = longest(c, home), longest(c, logs)
	if wal == data {
		wal = ""
	}
	for _, m := range c.VolumeMounts {
		if wal == "" && namedWAL(m.MountPath) && m.Name != data { // a link in the data directory leads there
			wal = m.Name
		}
	}
	return data, wal
}

func namedWAL(directory string) bool {
	name := path.Base(directory)
	return name == "wal" || name == "pg_wal" || name == "pgwal"
}

func variable(c corev1.Container, name string) string {
	for _, e := range c.Env {
		if e.Name == name && path.IsAbs(e.Value) {
			return path.Clean(e.Value)
		}
	}
	return ""
}

// longest mount that holds a directory.
func longest(c corev1.Container, directory string) (name string) {
	length := 0
	for _, m := range c.VolumeMounts {
		if within(directory, m.MountPath) && len(m.MountPath) > length {
			name, length = m.Name, len(m.MountPath)
		}
	}
	return name
}

func within(directory, of string) bool {
	of = strings.TrimSuffix(of, "/")
	return directory == of || strings.HasPrefix(directory, of+"/")
}
