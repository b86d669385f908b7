package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/gitover/gitover/test/cluster/layout"
	"github.com/gitover/gitover/test/cluster/supervisor"
)

// Free disk space that a start needs, in bytes: nothing cached, and everything.
const (
	coldDiskNeed = 8 << 30
	warmDiskNeed = 2 << 30
)

// preflight finds all that would stop a start later, and says what to do.
func (s *Stage) preflight() error {
	return errors.Join(s.preflightBuild(), s.checkKernel(), s.checkOtherStage(), s.checkNetwork())
}

// preflightBuild is for those who only build: that disturbs nobody's stage.
func (s *Stage) preflightBuild() error {
	if os.Geteuid() != 0 {
		return errors.New("the stage needs root (namespaces, mounts, cgroups): run the same command with sudo")
	}
	return errors.Join(s.checkPrograms(), s.checkDisk())
}

func (s *Stage) checkPrograms() error {
	packages := map[string]string{
		"go": "Go (see go.mod for the version)", "gcc": "apt-get install gcc libc6-dev", "git": "apt-get install git",
		"apt-get": "a Debian machine", "dpkg-deb": "a Debian machine", "perl": "apt-get install perl", "nsenter": "apt-get install util-linux",
	}
	var missing []error
	for _, program := range []string{"go", "gcc", "git", "apt-get", "dpkg-deb", "perl", "nsenter"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, fmt.Errorf("%s is missing: needs %s", program, packages[program]))
		}
	}
	return errors.Join(missing...)
}

// checkKernel looks for what can be seen without trying.
func (s *Stage) checkKernel() error {
	var missing []error
	if filesystems, err := os.ReadFile("/proc/filesystems"); err == nil && !bytes.Contains(filesystems, []byte("\toverlay\n")) {
		// As a module it is listed only once it is loaded.
		if err := exec.Command("modprobe", "overlay").Run(); err != nil {
			missing = append(missing, errors.New("the kernel has no overlayfs: load the module 'overlay'"))
		}
	}
	for name, what := range map[string]string{"pid": "PID", "mnt": "mount", "net": "network", "uts": "UTS", "ipc": "IPC", "cgroup": "cgroup"} {
		if _, err := os.Stat("/proc/self/ns/" + name); err != nil {
			missing = append(missing, fmt.Errorf("the kernel has no %s namespaces", what))
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	if !bytes.Contains(mounts, []byte(" cgroup2 ")) && !bytes.Contains(mounts, []byte(" cgroup ")) {
		missing = append(missing, errors.New("no cgroups are mounted below /sys/fs/cgroup"))
	}
	return errors.Join(missing...)
}

func (s *Stage) checkDisk() error {
	if err := os.MkdirAll(s.layout.Cache, 0o755); err != nil {
		return err
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(s.layout.Cache, &fs); err != nil {
		return fmt.Errorf("%s: %w", s.layout.Cache, err)
	}
	need := uint64(coldDiskNeed)
	if _, err := os.Stat(filepath.Join(s.layout.Bin(), "notification-controller")); err == nil {
		need = warmDiskNeed
	}
	if free := fs.Bavail * uint64(fs.Bsize); free < need {
		return fmt.Errorf("%s has %.1f GiB free, the stage needs %.0f: free some space", s.layout.Cache,
			float64(free)/(1<<30), float64(need)/(1<<30))
	}
	return nil
}

// checkOtherStage refuses to disturb another checkout's stage.
func (s *Stage) checkOtherStage() error {
	owner, found, err := supervisor.Registered()
	if err != nil || !found || !owner.Alive() || owner.Repo == s.layout.Repo {
		return err
	}
	return fmt.Errorf("a stage of the checkout %s runs (process %d); a machine has room for one: "+
		"take it down there first, with `make cluster-down`", owner.Repo, owner.PID)
}

// checkNetwork finds routes and interfaces that overlap the stage's network.
func (s *Stage) checkNetwork() error {
	_, wanted, err := net.ParseCIDR(s.network.All())
	if err != nil {
		return fmt.Errorf("STAGE_NETWORK: %w", err)
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, link := range interfaces {
		addresses, err := link.Addrs()
		if err != nil || link.Name == layout.HostLink {
			continue
		}
		for _, address := range addresses {
			ip, taken, err := net.ParseCIDR(address.String())
			if err == nil && (wanted.Contains(ip) || taken.Contains(wanted.IP)) {
				return fmt.Errorf("the network %s is taken by %s on %s: set STAGE_NETWORK to the first two octets of a free one, as in 10.77",
					s.network.All(), address, link.Name)
			}
		}
	}
	return s.checkRoutes(wanted)
}

// checkRoutes reads /proc/net/route: interface, destination and mask in
// little-endian hexadecimal.
func (s *Stage) checkRoutes(wanted *net.IPNet) error {
	content, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return nil // no IPv4 routes to be in the way of
	}
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		if len(fields) < 8 || fields[0] == layout.HostLink {
			continue
		}
		var destination, mask uint32
		_, errDestination := fmt.Sscanf(fields[1], "%x", &destination)
		_, errMask := fmt.Sscanf(fields[7], "%x", &mask)
		if errDestination != nil || errMask != nil || mask == 0 {
			continue
		}
		network := net.IPNet{IP: littleEndian(destination), Mask: net.IPMask(littleEndian(mask))}
		if network.Contains(wanted.IP) || wanted.Contains(network.IP) {
			return fmt.Errorf("the network %s is taken by a route through %s: set STAGE_NETWORK to the first two octets of a free one, as in 10.77",
				s.network.All(), fields[0])
		}
	}
	return nil
}

func littleEndian(n uint32) net.IP {
	return net.IP{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}
}
