package redistest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// Ports are above those of other tests (20000 to 29999) and below those that
// Linux gives to outgoing connections (32768 and up): from there somebody who
// dials a server that is down for a moment may get its very port.
const (
	firstPort = 30000
	portCount = 2768
)

// held are the locks of the ports that this process has taken.
var held sync.Map // port → *os.File

// takePort returns a free port of the loopback interface that no other test
// takes before the process ends or giveBack is called: a server that was killed
// must find its port free when it comes back.
func takePort() (int, error) {
	for range 10 * portTries {
		port := firstPort + rand.IntN(portCount)
		if lockPort(port) {
			listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
			if err == nil {
				return port, listener.Close()
			}
			giveBack(port)
		}
	}
	return 0, fmt.Errorf("no free port from %d to %d", firstPort, firstPort+portCount-1)
}

// lockPort locks the port's file. The system opens the lock when the process ends.
func lockPort(port int) bool {
	dir := filepath.Join(os.TempDir(), "redistest-ports-"+strconv.Itoa(os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false
	}
	file, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(port)), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return false
	}
	if lockFile(file) != nil {
		_ = file.Close()
		return false
	}
	held.Store(port, file)
	return true
}

func giveBack(port int) {
	if file, ok := held.LoadAndDelete(port); ok {
		_ = file.(*os.File).Close()
	}
}

// onFreePorts calls launch with n ports, and with others again while some of
// them turn out to be taken. The ports are given back when the test ends.
func onFreePorts(t testing.TB, n int, launch func(ports []int) error) error {
	for range portTries {
		ports := make([]int, n)
		for i := range ports {
			port, err := takePort()
			if err != nil {
				return err
			}
			t.Cleanup(func() { giveBack(port) })
			ports[i] = port
		}
		if err := launch(ports); !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return errPortTaken
}
