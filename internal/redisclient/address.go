package redisclient

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Ports that are meant when none is given.
const (
	serverPort   = "6379"
	sentinelPort = "26379"
)

// target is what the addresses say together.
type target struct {
	addresses          []string // host:port, or the path of a socket
	network            string   // tcp or unix
	tls, skipVerify    bool
	username, password string
	db                 int
}

// parseAddresses reads the addresses, and checks that the options fit together.
//
// An address that cannot be read is told by its number, and not quoted: what
// is wrong with it may be that a special character of its password was taken for the
// end of it, and then the password is anywhere.
func parseAddresses(o *Options) (target, error) {
	switch {
	case len(o.Addresses) == 0:
		return target{}, errors.New("redis: no address is given, such as redis://localhost:6379")
	case o.Cluster && o.SentinelMaster != "":
		return target{}, errors.New("redis: cluster and sentinel exclude each other: a Cluster elects its masters itself")
	case !o.Cluster && o.SentinelMaster == "" && len(o.Addresses) > 1:
		return target{}, fmt.Errorf("redis: %d addresses are given: that takes a cluster, or sentinels and the name of their master", len(o.Addresses))
	case o.SentinelMaster == "" && (o.SentinelUsername != "" || o.SentinelPassword != ""):
		return target{}, errors.New("redis: credentials of sentinels are given, but not the name of their master")
	}
	port := serverPort
	if o.SentinelMaster != "" {
		port = sentinelPort
	}
	var all target
	for i, text := range o.Addresses {
		one, err := parseAddress(text, port)
		if err == nil {
			err = all.add(one, i == 0)
		}
		if err == nil && o.Cluster && one.db != 0 {
			err = errors.New("a Cluster has only database 0")
		}
		if err == nil && one.network == "unix" && (o.Cluster || o.SentinelMaster != "") {
			err = errors.New("neither a Cluster nor sentinels are reached through a socket of the file system")
		}
		if err != nil {
			return target{}, fmt.Errorf("redis: %s: %w", nameAddress(i, one), err)
		}
	}
	if o.Username != "" {
		all.username = o.Username
	}
	if o.Password != "" {
		all.password = o.Password
	}
	if all.username != "" && all.password == "" {
		return target{}, errors.New("redis: a user name is given without a password")
	}
	return all, nil
}

// Place says where Redis is, for people and for comparing: addresses and database,
// without credentials.
func Place(o Options) (string, error) {
	t, err := parseAddresses(&o)
	if err != nil {
		return "", err
	}
	slices.Sort(t.addresses)
	where := strings.Join(t.addresses, " ")
	switch {
	case o.Cluster:
		return "cluster " + where, nil
	case o.SentinelMaster != "":
		where = "master " + o.SentinelMaster + " of sentinels " + where
	}
	return fmt.Sprintf("%s, database %d", where, t.db), nil
}

// nameAddress is how errors call an address: by what is surely no credential.
func nameAddress(i int, one target) string {
	if len(one.addresses) == 0 {
		return fmt.Sprintf("address %d", i+1)
	}
	return one.addresses[0]
}

// add joins another address to the target.
func (t *target) add(one target, first bool) error {
	if first {
		*t = one
		return nil
	}
	switch {
	case one.network != t.network || one.tls != t.tls || one.skipVerify != t.skipVerify:
		return errors.New("all addresses must have the same scheme and parameters")
	case one.db != t.db:
		return errors.New("all addresses must have the same database")
	case one.password != "" && t.password != "" && (one.password != t.password || one.username != t.username):
		return errors.New("all addresses must have the same credentials; give them once")
	}
	if one.password != "" {
		t.username, t.password = one.username, one.password
	}
	if !slices.Contains(t.addresses, one.addresses[0]) {
		t.addresses = append(t.addresses, one.addresses[0])
	}
	return nil
}

// errUnreadable says no more about the address, which may show a password.
var errUnreadable = errors.New("it cannot be read as redis://user:password@host:port/db; " +
	"write the special characters of a password percent-encoded (@ is %40, / is %2F, # is %23, ? is %3F), or give the password on its own")

// parseAddress reads one address. Its errors quote nothing of it but names that are ours.
func parseAddress(text, port string) (target, error) {
	if !strings.Contains(text, "://") {
		return parseBare(text, port)
	}
	u, err := url.Parse(text)
	if err != nil || u.Fragment != "" || strings.Contains(u.RawQuery, "@") || strings.Contains(u.Path, "@") || u.Opaque != "" {
		return target{}, errUnreadable
	}
	one := target{network: "tcp", tls: u.Scheme == "rediss"}
	if u.User != nil {
		one.username = u.User.Username()
		one.password, _ = u.User.Password()
		if one.password == "" && one.username != "" {
			return target{}, errors.New("it has a user name without a password; a password alone is written redis://:password@host")
		}
	}
	switch u.Scheme {
	case "redis", "rediss":
		if one.addresses, err = hostPort(u.Host, port); err != nil {
			return target{}, err
		}
		if path := strings.Trim(u.Path, "/"); path != "" {
			if one.db, err = database(path); err != nil {
				return one, err
			}
		}
	case "unix":
		one.network = "unix"
		if u.Host != "" || u.Path == "" {
			return target{}, errors.New("the path of a socket starts with a slash: unix:///run/redis.sock")
		}
		one.addresses = []string{u.Path}
	default:
		return target{}, errors.New("the scheme must be redis, rediss (TLS) or unix")
	}
	return one, one.parameters(u)
}

// parameters reads what is behind the question mark.
func (t *target) parameters(u *url.URL) error {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errUnreadable
	}
	for name, value := range values {
		switch {
		case len(value) > 1:
			return errors.New("a parameter is given twice")
		case name == "db":
			if t.db, err = database(value[0]); err != nil {
				return err
			}
		case name == "skip_verify" && t.tls:
			if t.skipVerify, err = strconv.ParseBool(value[0]); err != nil {
				return errors.New("skip_verify is neither true nor false")
			}
		case name == "skip_verify":
			return errors.New("skip_verify is for rediss:// only")
		default:
			return errors.New("it has a parameter that is not known: there are db and skip_verify")
		}
	}
	return nil
}

// parseBare reads host, host:port or the path of a socket.
func parseBare(text, port string) (target, error) {
	if strings.HasPrefix(text, "/") {
		return target{network: "unix", addresses: []string{text}}, nil
	}
	if strings.ContainsAny(text, "@/?# \t\r\n") {
		return target{}, errors.New("it is neither host:port nor a URL: write redis:// in front of it")
	}
	addresses, err := hostPort(text, port)
	return target{network: "tcp", addresses: addresses}, err
}

// hostPort reads host[:port]. The host may be an IPv6 address in brackets.
func hostPort(text, port string) ([]string, error) {
	host, given, err := net.SplitHostPort(text)
	if err != nil {
		host, given = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"), ""
		bracketed := host != text
		if strings.Contains(host, ":") && (!bracketed || net.ParseIP(host) == nil) {
			return nil, errUnreadable
		}
	}
	if given != "" {
		port = given
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" {
		return nil, errUnreadable
	}
	return []string{net.JoinHostPort(host, port)}, nil
}

// database reads the number of a database.
func database(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, errors.New("the database is not a number from 0 up")
	}
	return int(n), nil
}
