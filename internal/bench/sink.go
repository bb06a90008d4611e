package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// sinkCommand, as the first argument, makes the program the application behind
// Caddy. It is a process of its own, so that its CPU time and garbage are not
// the client's.
const sinkCommand = "sink"

// delivery is what the application remembers of a webhook that arrived.
type delivery struct {
	at          int64 // Unix time in ns, when the whole request was there
	number      uint32
	destination uint32 // which of the application's listeners
}

// deliveryBytes is the size of a delivery on its way to the client.
const deliveryBytes = 16

// sinkServer is an application that answers every webhook at once.
type sinkServer struct {
	taken  atomic.Int64
	refuse func(number uint32) (status int) // 0: takes it; nil: takes all

	mu          sync.Mutex
	connections []*sinkConnection
}

// sinkConnection remembers what came over one connection.
type sinkConnection struct {
	mu         sync.Mutex
	deliveries []delivery
}

// runSink serves until stdin ends, which it does with whoever started it. It
// prints the addresses of its listeners, then answers the commands "count" (a
// line with how many webhooks it took) and "deliveries" (a line with their number, then
// deliveryBytes for each). args are the number of listeners and, for an
// application that refuses some webhooks (see fate), the word soakManners.
func runSink(args []string, in io.Reader, out io.Writer) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	s := new(sinkServer)
	if len(args) > 1 && args[1] == soakManners {
		s.refuse = new(fates).refuse
	}
	var addresses []string
	for i := range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer listener.Close()
		addresses = append(addresses, listener.Addr().String())
		go s.serve(listener, uint32(i))
	}
	if _, err := fmt.Fprintln(out, strings.Join(addresses, " ")); err != nil {
		return err
	}
	commands := bufio.NewScanner(in)
	for commands.Scan() {
		switch commands.Text() {
		case "count":
			_, err = fmt.Fprintln(out, s.taken.Load())
		case "deliveries":
			err = s.writeDeliveries(out)
		default:
			err = fmt.Errorf("unknown command %q", commands.Text())
		}
		if err != nil {
			return err
		}
	}
	return commands.Err()
}

func (s *sinkServer) serve(listener net.Listener, destination uint32) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return // closed
		}
		c := new(sinkConnection)
		s.mu.Lock()
		s.connections = append(s.connections, c)
		s.mu.Unlock()
		go func() {
			if err := s.take(connection, c, destination); err != nil {
				fmt.Fprintln(os.Stderr, "application:", err)
			}
		}()
	}
}

// take reads requests and answers them until the peer closes the connection.
func (s *sinkServer) take(connection net.Conn, c *sinkConnection, destination uint32) error {
	defer connection.Close()
	in := bufio.NewReaderSize(connection, 16<<10)
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	var h head
	for {
		if err := h.readHead(in, "X-GitHub-Delivery"); err != nil {
			return unlessGone(err)
		}
		if err := h.readBody(in); err != nil {
			return unlessGone(err)
		}
		number, err := parseDigits(h.wanted)
		if err != nil {
			return err
		}
		if s.refuse != nil {
			if status := s.refuse(number); status != 0 {
				if _, err := fmt.Fprintf(connection, "HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n", status); err != nil {
					return unlessGone(err)
				}
				continue
			}
		}
		c.mu.Lock()
		c.deliveries = append(c.deliveries, delivery{time.Now().UnixNano(), number, destination})
		c.mu.Unlock()
		s.taken.Add(1)
		if _, err := connection.Write(answer); err != nil {
			return unlessGone(err)
		}
	}
}

// unlessGone drops the errors of a Caddy that was stopped in the middle of something.
func unlessGone(err error) error {
	if _, network := errors.AsType[*net.OpError](err); network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

func (s *sinkServer) writeDeliveries(out io.Writer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var packed []byte
	for _, c := range s.connections {
		c.mu.Lock()
		for _, d := range c.deliveries {
			packed = binary.LittleEndian.AppendUint64(packed, uint64(d.at))
			packed = binary.LittleEndian.AppendUint32(packed, d.number)
			packed = binary.LittleEndian.AppendUint32(packed, d.destination)
		}
		c.mu.Unlock()
	}
	if _, err := fmt.Fprintln(out, len(packed)/deliveryBytes); err != nil {
		return err
	}
	_, err := out.Write(packed)
	return err
}
