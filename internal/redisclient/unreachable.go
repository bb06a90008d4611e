package redisclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// ErrUnreachable is in the errors of a Redis that is away, starting, or in the
// middle of a failover: the same may succeed later, without any change of the configuration.
var ErrUnreachable = errors.New("redis cannot be reached")

// fault is something that only a change of the configuration repairs.
type fault string

func (f fault) Error() string { return string(f) }

// explain says of each of the errors joined in err what server it is about,
// what to do, and whether the server is merely away. It returns nil for nil.
func explain(address string, err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, one := range joined.Unwrap() {
			all = append(all, explain(address, one)...)
		}
		return all
	}
	if address == failoverName {
		address = "master behind the sentinels"
	}
	if away(err) {
		return []error{fmt.Errorf("%w: %s%s: %w", ErrUnreachable, address, suspect(err), err)}
	}
	if advice := advise(err); advice != "" {
		return []error{fmt.Errorf("redis %s: %s (%w)", address, advice, err)}
	}
	return []error{fmt.Errorf("redis %s: %w", address, err)}
}

// suspect says what else than an outage an error may come from.
func suspect(err error) string {
	switch text := err.Error(); {
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return " (it closes the connection: does it want TLS, rediss://, or a certificate of ours?)"
	case strings.HasPrefix(text, "TLS handshake"):
		return " (it is there, but silent: does it speak TLS?)"
	}
	return ""
}

// joinFaults joins the errors, but if there are faults, only those: while some
// servers are away, what is wrong with the others needs somebody to act.
func joinFaults(errs []error) error {
	faults := slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return errors.Is(err, ErrUnreachable) })
	if len(faults) > 0 {
		errs = faults
	}
	// Servers are asked at the same time: their answers have no order.
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// advise adds what to do to errors whose text does not say it.
func advise(err error) string {
	var header tls.RecordHeaderError
	switch {
	case hasCode(err, "WRONGPASS"), isText(err, "ERR invalid password"):
		return "the user name or the password is wrong"
	case hasCode(err, "NOAUTH"):
		return "it wants a password, and none is given"
	case isText(err, "ERR AUTH <password> called without any password configured"):
		return "a password is given, and it wants none"
	case hasCode(err, "NOPERM"):
		return "our user may not do what is needed"
	case isText(err, "ERR This instance has cluster support disabled"):
		return "this is no Cluster: do not say that it is one"
	case isText(err, "ERR DB index is out of range"):
		return "it has no database of that number"
	case errors.Is(err, redis.Nil):
		return "the sentinels know no master of that name"
	case errors.As(err, &header):
		return "it does not speak TLS: write redis://"
	case untrusted(err):
		return "its certificate is not trusted: give the certificate of its authority, and an address that it is made out to"
	}
	return ""
}

// away reports whether an error is one of those that pass. What a server or a certificate says is a matter
// of the configuration, except for what is said in the middle of a start or of a failover.
func away(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	for _, code := range []string{"LOADING", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "BUSY"} {
		if hasCode(err, code) {
			return true
		}
	}
	if isText(err, "ERR max number of clients reached") {
		return true
	}
	var header tls.RecordHeaderError
	var network *net.OpError
	var answer redis.Error
	var ours fault
	alert := errors.As(err, &network) && network.Op == "remote error" // how crypto/tls says what the server refuses
	return !alert && !errors.As(err, &answer) && !errors.As(err, &header) && !errors.As(err, &ours) && !untrusted(err)
}

func untrusted(err error) bool {
	var verification *tls.CertificateVerificationError
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	return errors.As(err, &verification) || errors.As(err, &host) || errors.As(err, &authority)
}

// missing reports whether a command was refused for lack of permission.
func missing(err error) bool { return hasCode(err, "NOPERM") }

// hasCode reports whether Redis has answered with an error that begins with the word.
func hasCode(err error, code string) bool { return isText(err, code+" ") }

func isText(err error, prefix string) bool {
	var answer redis.Error
	return errors.As(err, &answer) && strings.HasPrefix(answer.Error(), prefix)
}
