package image

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// epoch stamps what has no time of its own, so that equal inputs make equal archives.
var epoch = time.Unix(1_700_000_000, 0)

// content writes the files of an image's only layer.
type content func(layer *tar.Writer) error

// writeArchive writes a docker-archive: one layer, and a configuration per
// reference on top of it. It replaces path only when all of it is written.
func writeArchive(path string, files content, refs []Ref) error {
	layerFile, err := os.CreateTemp(filepath.Dir(path), "layer-*")
	if err != nil {
		return err
	}
	defer os.Remove(layerFile.Name())
	defer layerFile.Close()
	digest := sha256.New()
	layer := tar.NewWriter(io.MultiWriter(layerFile, digest))
	if err := files(layer); err != nil {
		return fmt.Errorf("writing the layer: %w", err)
	}
	if err := layer.Close(); err != nil {
		return err
	}
	partial := path + ".partial"
	out, err := os.Create(partial)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := writeImages(tar.NewWriter(out), layerFile, hex.EncodeToString(digest.Sum(nil)), refs); err != nil {
		return fmt.Errorf("writing %s: %w", partial, err)
	}
	return os.Rename(partial, path)
}

func writeImages(archive *tar.Writer, layer *os.File, layerDigest string, refs []Ref) error {
	type manifest struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	var manifests []manifest
	layerName := layerDigest + ".tar"
	for _, ref := range refs {
		config, err := json.Marshal(configOf(ref, layerDigest))
		if err != nil {
			return err
		}
		sum := sha256.Sum256(config)
		name := hex.EncodeToString(sum[:]) + ".json"
		if err := writeFile(archive, name, 0o644, config); err != nil {
			return err
		}
		manifests = append(manifests, manifest{Config: name, RepoTags: []string{ref.Image}, Layers: []string{layerName}})
	}
	index, err := json.Marshal(manifests)
	if err != nil {
		return err
	}
	if err := writeFile(archive, "manifest.json", 0o644, index); err != nil {
		return err
	}
	size, err := layer.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := layer.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := archive.WriteHeader(&tar.Header{Name: layerName, Mode: 0o644, Size: size, ModTime: epoch}); err != nil {
		return err
	}
	if _, err := io.Copy(archive, layer); err != nil {
		return err
	}
	return archive.Close()
}

func configOf(ref Ref, layerDigest string) map[string]any {
	return map[string]any{
		"created": epoch.UTC().Format(time.RFC3339), "architecture": "amd64", "os": "linux",
		"config": map[string]any{
			"Env": ref.Env, "Entrypoint": ref.Entrypoint, "Cmd": ref.Cmd,
			"User": ref.User, "WorkingDir": ref.WorkingDir, "StopSignal": ref.StopSignal,
		},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + layerDigest}},
	}
}

func writeFile(archive *tar.Writer, name string, mode int64, content []byte) error {
	header := &tar.Header{Name: name, Mode: mode, Size: int64(len(content)), ModTime: epoch}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := archive.Write(content)
	return err
}

// directory is a layer with everything below root: owners, modes, links.
func directory(root string) content {
	return func(layer *tar.Writer) error {
		firstName := map[uint64]string{} // of files with several hard links
		return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || path == root {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			if info.Mode()&(fs.ModeDevice|fs.ModeSocket|fs.ModeNamedPipe) != 0 {
				return nil
			}
			return writeEntry(layer, path, strings.TrimPrefix(path, root+"/"), info, firstName)
		})
	}
}

func writeEntry(layer *tar.Writer, path, name string, info fs.FileInfo, firstName map[uint64]string) error {
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(path)
		if err != nil {
			return err
		}
		link = target
	}
	header, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	header.Name = name
	header.Format = tar.FormatPAX
	header.AccessTime, header.ChangeTime = time.Time{}, time.Time{}
	header.Uname, header.Gname = "", ""
	header.ModTime = header.ModTime.Truncate(time.Second)
	if info.IsDir() {
		header.Name += "/"
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if ok && info.Mode().IsRegular() && stat.Nlink > 1 {
		if first, seen := firstName[stat.Ino]; seen {
			header.Typeflag, header.Linkname, header.Size = tar.TypeLink, first, 0
			return layer.WriteHeader(header)
		}
		firstName[stat.Ino] = name
	}
	if err := layer.WriteHeader(header); err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(layer, file)
	return err
}
