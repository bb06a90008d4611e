// Package offered keeps the secrets that providers make up themselves and hand over in a handshake.
package offered

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Some providers make up the secret themselves and hand it over in a handshake
// (Asana, Gusto, Notion). Only the operator can tell whether it was the provider who
// did, so the secret goes into a file that only Caddy's user can read, and the log says
// which; from there it comes into the config as `secret {file.<path>}`.
//
// Anybody can offer secrets. So that strangers cannot use up the room, the newest is
// always kept, and another gives way: the oldest of the network that has offered most.
// A name is never used twice: what the log called the provider's must not become
// somebody else's. Secrets that a config uses stay.

const (
	// maxOffered bounds the files of an endpoint, without those that are in use. Their
	// size is bounded where they are read (verify.Verifier.OfferedSecret).
	maxOffered = 100
	// offeredPause is how long after its last offer a network may not displace a file of
	// its own. It bounds what a flood writes to the disk and the log.
	offeredPause = 10 * time.Second
)

var errTooManyOffered = errors.New("too many secrets were offered, the last one from the same network just now: remove those files that are not needed")

// offeredMu keeps two offers from displacing the same file.
var offeredMu sync.Mutex

// Directory is where secrets are kept that were handed over. It is safe for concurrent use, also of
// several about the same directory.
type Directory struct {
	// Path of the directory, which is made when it is needed.
	Path string

	// InUse reports whether a config uses the secret.
	InUse func(secret string) bool

	most int // files of an endpoint, without those in use; 0 means maxOffered
}

// Offer is a secret that was handed over.
type Offer struct {
	Endpoint string
	Secret   string
	From     netip.Addr // the client; invalid if unknown
}

// Kept is the result of an offer.
type Kept struct {
	// Path is the file with the secret.
	Path string

	// Removed is the path of the file that gave way; empty if none did.
	Removed string
}

// offeredFile is a file with a secret that was offered before.
type offeredFile struct {
	path    string
	network string
	at      time.Time
}

// Save writes a secret into a file of its own, and removes another one where
// there are too many. It returns once the file is on the disk.
func (s Directory) Save(o Offer, now time.Time) (Kept, error) {
	offeredMu.Lock()
	defer offeredMu.Unlock()
	if err := os.MkdirAll(s.Path, 0o700); err != nil {
		return Kept{}, err
	}
	files, same, err := s.before(o)
	if err != nil || same != "" {
		return Kept{Path: same}, err
	}
	network := networkOf(o.From)
	var gives offeredFile
	full := len(files) >= cmp.Or(s.most, maxOffered)
	if full {
		gives = givesWay(files, network)
		if gives.network == network && slices.ContainsFunc(files, func(f offeredFile) bool { return f.network == network && now.Sub(f.at).Abs() < offeredPause }) {
			return Kept{}, errTooManyOffered
		}
	}
	path := filepath.Join(s.Path, fmt.Sprintf("%s-%s-%s", fileName(o.Endpoint), network, rand.Text()[:8]))
	if err := writeSecret(path, o.Secret); err != nil {
		return Kept{}, err
	}
	if full {
		if err := os.Remove(gives.path); err != nil {
			return Kept{}, errors.Join(err, os.Remove(path))
		}
	}
	return Kept{Path: path, Removed: gives.path}, nil
}

// Keep saves a secret, and tells the operator where it is. fields say more of the handshake.
func (s Directory) Keep(o Offer, logger *zap.Logger, fields ...zap.Field) error {
	kept, err := s.Save(o, time.Now())
	if err != nil {
		return err
	}
	fields = append([]zap.Field{
		zap.String("endpoint", o.Endpoint), zap.String("file", kept.Path), zap.String("setting", "secret {file."+kept.Path+"}"),
	}, fields...)
	if kept.Removed != "" {
		fields = append(fields, zap.String("removed_file", kept.Removed))
	}
	logger.Warn("a secret was offered to an endpoint; if that was the provider, add the file to the endpoint's secrets, else remove it", fields...)
	return nil
}

// before lists the endpoint's files, without those whose secrets are in use. same
// is the file that has the secret already.
func (s Directory) before(o Offer) (files []offeredFile, same string, err error) {
	entries, err := os.ReadDir(s.Path)
	if err != nil {
		return nil, "", err
	}
	for _, entry := range entries {
		network, ok := networkInName(entry.Name(), o.Endpoint)
		if !ok {
			continue
		}
		path := filepath.Join(s.Path, entry.Name())
		info, err := entry.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // the operator has just removed it
		} else if err != nil {
			return nil, "", err
		}
		secret, err := os.ReadFile(path)
		if err == nil && string(secret) == o.Secret {
			return nil, path, nil
		}
		if err == nil && s.InUse(string(secret)) {
			continue
		}
		files = append(files, offeredFile{path, network, info.ModTime()})
	}
	return files, "", nil
}

// givesWay is the oldest file of the network that has the most files. If several networks have as many, it
// is the offer's own network if that is one of them, or else the one with the oldest file.
func givesWay(files []offeredFile, own string) offeredFile {
	counts := make(map[string]int)
	for _, f := range files {
		counts[f.network]++
	}
	return slices.MinFunc(files, func(a, b offeredFile) int {
		if d := counts[b.network] - counts[a.network]; d != 0 {
			return d
		}
		if a.network != b.network && (a.network == own || b.network == own) {
			if a.network == own {
				return -1
			}
			return 1
		}
		return a.at.Compare(b.at)
	})
}

// notInFileNames is what an endpoint's name may contain and a file's should not.
var notInFileNames = regexp.MustCompile(`[^A-Za-z0-9._-]`)

func fileName(endpoint string) string { return notInFileNames.ReplaceAllString(endpoint, "_") }

// networkOf is the network of an address, an IPv4 /24 or an IPv6 /48: whoever has one address there may
// have all of them.
func networkOf(ip netip.Addr) string {
	bits := 48
	if ip.Is4() {
		bits = 24
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return "unknown"
	}
	return strings.ReplaceAll(prefix.Addr().String(), ":", "_")
}

// networkInName reads the name of a file: <endpoint>-<network>-<random>, or
// <endpoint>-<number> as it was in older versions. ok is false if it is not the endpoint's.
func networkInName(name, endpoint string) (network string, ok bool) {
	rest, ok := strings.CutPrefix(name, fileName(endpoint)+"-")
	if !ok {
		return "", false
	}
	parts := strings.Split(rest, "-")
	switch {
	case rest != "" && len(parts) == 1 && strings.Trim(rest, "0123456789") == "":
		return "", true
	case len(parts) == 2 && len(parts[1]) == 8:
		return parts[0], parts[0] == "unknown" || strings.ContainsAny(parts[0], "._")
	}
	return "", false
}

// writeSecret makes a file that only Caddy's user can read.
func writeSecret(path, secret string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(secret)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		_ = os.Remove(path) // half a secret takes no place
	}
	return err
}
