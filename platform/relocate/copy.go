package relocate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
)

// copier copies files and reads every copy back.
type copier struct {
	ctx         context.Context
	from, to    string
	done, total int64 // bytes
	progress    func(done, total int64)
	step        func(name string) error
}

func (c *copier) run(files []file) error {
	if err := os.MkdirAll(c.to, 0o700); err != nil {
		return fmt.Errorf("%w: %w", ErrTarget, err)
	}
	folders := map[string]bool{c.to: true}
	sums := make([][]byte, len(files))
	for i, f := range files {
		if err := c.step("copy " + f.Path); err != nil {
			return err
		}
		target := filepath.Join(c.to, f.Path)
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			return fmt.Errorf("copy the data: %w", err)
		}
		for d := filepath.Dir(target); len(d) > len(c.to); d = filepath.Dir(d) {
			folders[d] = true
		}
		var err error
		if sums[i], err = c.copyFile(f, target); err != nil {
			return fmt.Errorf("copy %s: %w", f.Path, err)
		}
	}
	for folder := range folders {
		if err := syncDir(folder); err != nil {
			return err
		}
	}
	return c.verify(files, sums)
}

// copyFile copies durably and returns the hash of what was read.
func (c *copier) copyFile(f file, target string) ([]byte, error) {
	in, err := os.Open(filepath.Join(c.from, f.Path))
	if err != nil {
		return nil, err
	}
	defer in.Close()
	out, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.Mode)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, sum, c), in)
	err = errors.Join(err, out.Sync(), out.Close())
	return sum.Sum(nil), err
}

func (c *copier) verify(files []file, sums [][]byte) error {
	for i, f := range files {
		sum, err := c.hashFile(filepath.Join(c.to, f.Path))
		if err != nil {
			return fmt.Errorf("read %s back: %w", f.Path, err)
		}
		if !bytes.Equal(sum, sums[i]) {
			return fmt.Errorf("the copy of %s differs: is the disk damaged?", f.Path)
		}
	}
	return nil
}

func (c *copier) hashFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var sum hash.Hash = sha256.New()
	_, err = io.Copy(io.MultiWriter(sum, c), f)
	return sum.Sum(nil), err
}

// Write counts what passes, and stops where the move was given up.
func (c *copier) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	c.done += int64(len(p))
	if c.progress != nil {
		c.progress(c.done, c.total)
	}
	return len(p), nil
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
