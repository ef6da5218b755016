package powercut

import (
	"maps"
	"slices"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// Mount makes the disk a folder of this machine, until the returned function
// unmounts it. It needs the right to mount.
func (d *Disk) Mount(dir string) (unmount func() error, err error) {
	served := &mount{RawFileSystem: fuse.NewDefaultRawFileSystem(), Disk: d}
	server, err := fuse.NewServer(served, dir, &fuse.MountOptions{
		FsName: "powercut", Name: "powercut", DirectMountStrict: true, DisableXAttrs: true,
	})
	if err != nil {
		return nil, err
	}
	go server.Serve()
	if err := server.WaitMount(); err != nil {
		return nil, err
	}
	return server.Unmount, nil
}

// mount answers the kernel's requests. What it has no method for is answered
// with ENOSYS.
type mount struct {
	fuse.RawFileSystem
	*Disk
}

func (m *mount) folder(number uint64) *file { return m.files[number] }

func (m *mount) attributes(number uint64, out *fuse.Attr) {
	f := m.files[number]
	*out = fuse.Attr{
		Ino: number, Mode: f.mode, Nlink: 1, Size: uint64(len(f.data)), Blksize: 4096,
		Blocks: uint64(len(f.data)+sector-1) / sector,
	}
}

func (m *mount) entry(number uint64, out *fuse.EntryOut) {
	out.NodeId = number
	m.attributes(number, &out.Attr)
}

// locked runs an answer while it has the disk for itself.
func (m *mount) locked(answer func() fuse.Status) fuse.Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	return answer()
}

func (m *mount) Lookup(
	_ <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut,
) fuse.Status {
	return m.locked(func() fuse.Status {
		number, found := m.folder(h.NodeId).names[name]
		if !found {
			return fuse.ENOENT
		}
		m.entry(number, out)
		return fuse.OK
	})
}

func (m *mount) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	return m.locked(func() fuse.Status {
		m.attributes(in.NodeId, &out.Attr)
		return fuse.OK
	})
}

func (m *mount) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	return m.locked(func() fuse.Status {
		f := m.files[in.NodeId]
		if size, ok := in.GetSize(); ok {
			f.truncate(int(size))
		}
		if mode, ok := in.GetMode(); ok {
			f.mode = f.mode&syscall.S_IFMT | mode&^syscall.S_IFMT
		}
		m.attributes(in.NodeId, &out.Attr)
		return fuse.OK
	})
}

func (m *mount) Mkdir(
	_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut,
) fuse.Status {
	return m.locked(func() fuse.Status {
		m.entry(m.add(m.folder(in.NodeId), name, newFolder(in.Mode&0o7777)), out)
		return fuse.OK
	})
}

func (m *mount) Create(
	_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut,
) fuse.Status {
	return m.locked(func() fuse.Status {
		m.entry(m.add(m.folder(in.NodeId), name, newFile(in.Mode&0o7777)), &out.EntryOut)
		return fuse.OK
	})
}

func (m *mount) Unlink(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return m.locked(func() fuse.Status {
		m.folder(h.NodeId).rename(rename{name: 0})
		return fuse.OK
	})
}

func (m *mount) Rmdir(c <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return m.Unlink(c, h, name)
}

// Rename moves a name within its folder, which disks do as a whole.
func (m *mount) Rename(_ <-chan struct{}, in *fuse.RenameIn, from, to string) fuse.Status {
	return m.locked(func() fuse.Status {
		if in.NodeId != in.Newdir || in.Flags != 0 {
			return fuse.Status(syscall.EXDEV)
		}
		folder := m.folder(in.NodeId)
		folder.rename(rename{from: 0, to: folder.names[from]})
		return fuse.OK
	})
}

func (m *mount) Open(_ <-chan struct{}, in *fuse.OpenIn, _ *fuse.OpenOut) fuse.Status {
	return m.locked(func() fuse.Status {
		if in.Flags&syscall.O_TRUNC != 0 {
			m.files[in.NodeId].truncate(0)
		}
		return fuse.OK
	})
}

func (m *mount) Read(
	_ <-chan struct{}, in *fuse.ReadIn, buf []byte,
) (fuse.ReadResult, fuse.Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data := m.files[in.NodeId].data
	at := min(in.Offset, uint64(len(data)))
	return fuse.ReadResultData(buf[:copy(buf, data[at:])]), fuse.OK
}

func (m *mount) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[in.NodeId].write(data, int(in.Offset))
	return uint32(len(data)), fuse.OK
}

// Flush is part of closing a file, which saves nothing.
func (m *mount) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.OK }

func (m *mount) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return m.locked(func() fuse.Status {
		m.files[in.NodeId].sync()
		return fuse.OK
	})
}

func (m *mount) FsyncDir(c <-chan struct{}, in *fuse.FsyncIn) fuse.Status { return m.Fsync(c, in) }

func (m *mount) OpenDir(<-chan struct{}, *fuse.OpenIn, *fuse.OpenOut) fuse.Status { return fuse.OK }

func (m *mount) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return m.locked(func() fuse.Status {
		names := m.folder(in.NodeId).names
		for i, name := range slices.Sorted(maps.Keys(names)) {
			if uint64(i) < in.Offset {
				continue
			}
			number := names[name]
			entry := fuse.DirEntry{
				Name: name, Ino: number, Mode: m.files[number].mode, Off: uint64(i) + 1,
			}
			if !out.AddDirEntry(entry) {
				break
			}
		}
		return fuse.OK
	})
}

func (m *mount) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	*out = fuse.StatfsOut{
		Blocks: 1 << 20, Bfree: 1 << 20, Bavail: 1 << 20, Bsize: 4096, NameLen: 255,
	}
	return fuse.OK
}
