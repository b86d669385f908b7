package disk_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/gitover/gitover/steps/disk"
	"github.com/gitover/gitover/test/pg"
)

const gib = 1 << 30

func TestWhatAServerKeepsIsMeasured(t *testing.T) {
	for _, major := range []int{13, 18} {
		s := pg.Start(t, major, nil)
		before, err := disk.UsedBy(t.Context(), s.Server)
		if err != nil || before.Data < 5<<20 || before.WAL < 16<<20 || before.Elsewhere || before.MaxWAL < 1<<20 {
			t.Fatalf("%d: %+v, %v", major, before, err)
		}
		s.Exec("", "CREATE TABLE much AS SELECT repeat('x', 1000) FROM generate_series(1, 20000)")
		after, err := disk.UsedBy(t.Context(), s.Server)
		if err != nil || after.Data < before.Data+15<<20 {
			t.Errorf("%d: %+v after %+v, %v", major, after, before, err)
		}
	}
}

// TestACopySlowsBeforeItFillsAVolume waits while there is no room, and goes on once there is more, not at every byte.
func TestACopySlowsBeforeItFillsAVolume(t *testing.T) {
	for _, c := range []struct {
		free  int64
		waits bool
		limit int64
		wait  bool
	}{
		{5 * gib, false, 0, false},
		{2*gib + 1, false, 0, false},
		{3 * gib / 2, false, 16 << 20, false},
		{gib + 1<<20, false, 1 << 20, false},
		{gib, false, 0, true},
		{gib + 1<<20, true, 0, true},
		{5*gib/2 - 1, true, 0, false},
		{-1, false, 0, true},
	} {
		r := disk.Room{Claim: "data-0", Capacity: 10 * gib, Free: c.free}
		if limit, wait := r.Limit(c.waits); limit != c.limit || wait != c.wait {
			t.Errorf("%+v: %d, %t", c, limit, wait)
		}
	}
	if limit, wait := (disk.Room{}).Limit(false); limit != 0 || wait {
		t.Error("what isn't known limits the copy")
	}
}

func TestWhatFillsAVolumeIsToldBeforehand(t *testing.T) {
	used := disk.Used{Data: 8 * gib, WAL: gib, MaxWAL: gib}
	one := disk.RoomsOf([]disk.Volume{{Claim: "large", Capacity: 20 * gib, Data: true}, {Claim: "small", Capacity: 10 * gib, Data: true}}, used)
	if one.Data.Claim != "small" || one.Data.Free != gib || one.WAL != one.Data {
		t.Errorf("%+v", one)
	}
	if why := one.TooSmall(2 * gib); !strings.Contains(why, "1.0 GiB of 10.0 GiB free on volume small, and about 2.0 GiB are to come") || one.TooSmall(gib) != "" {
		t.Error(why)
	}
	two := disk.RoomsOf([]disk.Volume{{Claim: "data", Capacity: 10 * gib, Data: true}, {Claim: "wal", Capacity: 4 * gib, WAL: true}}, used)
	if two.Data.Free != 2*gib || two.WAL.Free != 3*gib {
		t.Errorf("%+v", two)
	}
	if why := two.WAL.Fills(gib, 100, 1000); !strings.Contains(why, "10.2 MiB/s") || two.WAL.Fills(gib, 1000, 1000) != "" || two.WAL.Fills(0, 1, 1) != "" {
		t.Error(why)
	}
	if r := disk.RoomsOf([]disk.Volume{{Claim: "unlimited", Capacity: gib, Data: true}}, used); r.Data.Known() || r.TooSmall(100*gib) != "" {
		t.Errorf("%+v: a volume that holds more than it can isn't limited", r)
	}
}

func TestTheVolumeOfAPodIsTheOneWithItsDataDirectory(t *testing.T) {
	mount := func(name, path string) corev1.VolumeMount { return corev1.VolumeMount{Name: name, MountPath: path} }
	for want, c := range map[string]corev1.Container{
		"data/":     {Env: []corev1.EnvVar{{Name: "PGDATA", Value: "/data/pg"}}, VolumeMounts: []corev1.VolumeMount{mount("data", "/data"), mount("run", "/var/run")}},
		"home/":     {VolumeMounts: []corev1.VolumeMount{mount("home", "/var/lib/postgresql")}},
		"home/logs": {VolumeMounts: []corev1.VolumeMount{mount("home", "/var/lib/postgresql/data"), mount("logs", "/var/lib/postgresql/wal")}},
		"d/w":       {Env: []corev1.EnvVar{{Name: "PGDATA", Value: "/d"}, {Name: "POSTGRES_INITDB_WALDIR", Value: "/w/x"}}, VolumeMounts: []corev1.VolumeMount{mount("d", "/d"), mount("w", "/w")}},
		"/":         {VolumeMounts: []corev1.VolumeMount{mount("app", "/srv")}},
	} {
		data, wal := disk.Mounts(corev1.PodSpec{Containers: []corev1.Container{{Name: "sidecar"}, c}})
		if data+"/"+wal != want {
			t.Errorf("%s/%s, not %s", data, wal, want)
		}
	}
}
