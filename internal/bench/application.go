package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// application is the client's side of the process that runSink runs in. Its
// methods are safe for concurrent use.
type application struct {
	addresses []string // host:port of each destination
	command   *exec.Cmd

	mu  sync.Mutex
	in  io.WriteCloser
	out *bufio.Reader
}

// startApplication starts an application with that many destinations; manners are
// those of runSink.
func startApplication(destinations int, manners ...string) (*application, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(self, append([]string{sinkCommand, strconv.Itoa(destinations)}, manners...)...)
	command.SysProcAttr = ownGroup()
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	a := &application{command: command, in: in, out: bufio.NewReaderSize(out, 1<<20)}
	line, err := a.out.ReadString('\n')
	if err != nil {
		a.stop()
		return nil, fmt.Errorf("the application does not start: %w", err)
	}
	a.addresses = strings.Fields(line)
	return a, nil
}

func (a *application) pid() int { return a.command.Process.Pid }

// count is how many webhooks have arrived.
func (a *application) count() (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ask("count")
}

// deliveries are all webhooks that have arrived, in no order.
func (a *application) deliveries() ([]delivery, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n, err := a.ask("deliveries")
	if err != nil {
		return nil, err
	}
	packed := make([]byte, n*deliveryBytes)
	if _, err := io.ReadFull(a.out, packed); err != nil {
		return nil, fmt.Errorf("asking the application: %w", err)
	}
	all := make([]delivery, n)
	for i := range all {
		p := packed[i*deliveryBytes:]
		all[i] = delivery{
			at:          int64(binary.LittleEndian.Uint64(p)),
			number:      binary.LittleEndian.Uint32(p[8:]),
			destination: binary.LittleEndian.Uint32(p[12:]),
		}
	}
	return all, nil
}

// ask sends a command and reads the line with a number that answers it.
func (a *application) ask(command string) (int, error) {
	if _, err := fmt.Fprintln(a.in, command); err != nil {
		return 0, fmt.Errorf("asking the application: %w", err)
	}
	line, err := a.out.ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("asking the application: %w", err)
	}
	return strconv.Atoi(strings.TrimSpace(line))
}

// stop ends the application and waits for its end.
func (a *application) stop() {
	_ = a.in.Close()
	_ = a.command.Process.Kill()
	_ = a.command.Wait() // it was killed: what it returns says nothing
}
