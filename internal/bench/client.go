package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// answerLimit bounds how long the client waits for answers after the time for
// sending is over.
const answerLimit = 30 * time.Second

// longestPause is how long the end of a run may go unnoticed.
const longestPause = 10 * time.Millisecond

// exchange is one request and its answer. Times are Unix times in ns.
type exchange struct {
	number   uint32
	status   int16
	word     string // Webhook-Status of the answer
	due      int64  // when it should have been sent; when it was, if there was no plan
	sent     int64
	answered int64
}

// client sends webhooks over connections that stay open, one at a time over each.
type client struct {
	connections []*connection
	next        atomic.Uint32 // number of the next event
	// choose says which event a paced client sends in a place of the sequence;
	// nil: the one of that number, so that none is sent twice.
	choose func(place uint32) (number uint32)
}

// connection belongs to one goroutine at a time.
type connection struct {
	net       net.Conn
	in        *bufio.Reader
	request   []byte
	head      head
	exchanges []exchange
	observe   func(exchange) // is told of each, or nil
}

// dial opens the connections.
func dial(address string, connections int) (*client, error) {
	c := new(client)
	for range connections {
		dialled, err := net.DialTimeout("tcp", address, answerLimit)
		if err != nil {
			c.close()
			return nil, err
		}
		c.connections = append(c.connections, &connection{net: dialled, in: bufio.NewReaderSize(dialled, 4<<10)})
	}
	return c, nil
}

func (c *client) close() {
	for _, one := range c.connections {
		_ = one.net.Close()
	}
}

// closed sends in a closed loop, each connection as fast as it is answered, until
// the time is over or `most` events were sent. The requests are made from the
// templates in turn.
func (c *client) closed(ctx context.Context, templates []*template, d time.Duration, most uint32) ([]exchange, error) {
	end := time.Now().Add(d)
	stop := c.next.Load() + most
	return c.each(ctx, end, func(one *connection) error {
		for time.Now().Before(end) {
			number := c.next.Add(1) - 1
			if number >= stop {
				return nil
			}
			if err := one.send(templates[int(number)%len(templates)], number, time.Now().UnixNano()); err != nil {
				return err
			}
		}
		return nil
	})
}

// paced sends at a fixed rate, whatever the answers. A webhook that is due while all connections wait for
// answers waits, too, and exchange.due keeps the time when it was due: so the time that a slow answer
// costs the webhooks after it is counted. (A client that leaves it out measures only the moments that the
// system lets it measure: "coordinated omission".)
func (c *client) paced(ctx context.Context, templates []*template, rate float64, d time.Duration, most uint32) ([]exchange, error) {
	start := time.Now()
	events := min(int(rate*d.Seconds()), int(most))
	due := make(chan int64, events)
	pacing, cancel := context.WithCancel(ctx)
	var pacer sync.WaitGroup
	pacer.Go(func() {
		defer close(due)
		for i := range events {
			at := start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
			for wait := time.Until(at); wait > 0; wait = time.Until(at) {
				pause(min(wait, longestPause))
				if pacing.Err() != nil {
					return
				}
			}
			due <- at.UnixNano()
		}
	})
	defer pacer.Wait()
	defer cancel()
	return c.each(ctx, start.Add(d), func(one *connection) error {
		for at := range due {
			number := c.next.Add(1) - 1
			if c.choose != nil {
				number = c.choose(number)
			}
			if err := one.send(templates[int(number)%len(templates)], number, at); err != nil {
				return err
			}
		}
		return nil
	})
}

// each runs the loop on all connections and returns what they exchanged.
// Answers are waited for until answerLimit after end, or the end of ctx.
func (c *client) each(ctx context.Context, end time.Time, loop func(*connection) error) ([]exchange, error) {
	for _, one := range c.connections {
		if err := one.net.SetDeadline(end.Add(answerLimit)); err != nil {
			return nil, err
		}
	}
	defer context.AfterFunc(ctx, func() {
		for _, one := range c.connections {
			_ = one.net.SetDeadline(time.Unix(1, 0))
		}
	})()
	errs := make([]error, len(c.connections))
	var group sync.WaitGroup
	for i, one := range c.connections {
		one.exchanges = one.exchanges[:0]
		group.Go(func() { errs[i] = loop(one) })
	}
	group.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("sending webhooks: %w", err)
	}
	var all []exchange
	for _, one := range c.connections {
		all = append(all, one.exchanges...)
	}
	return all, nil
}

// send makes one exchange.
func (c *connection) send(t *template, number uint32, due int64) error {
	c.request = t.stamp(c.request, number)
	sent := time.Now().UnixNano()
	if _, err := c.net.Write(c.request); err != nil {
		return err
	}
	if err := c.head.readHead(c.in, "Webhook-Status"); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if err := c.head.readBody(c.in); err != nil {
		return err
	}
	e := exchange{
		number: number, status: int16(c.head.status), word: word(c.head.wanted),
		due: due, sent: sent, answered: time.Now().UnixNano(),
	}
	c.exchanges = append(c.exchanges, e)
	if c.observe != nil {
		c.observe(e)
	}
	if c.head.closes {
		return fmt.Errorf("answered %d %s, and the connection was closed", c.head.status, c.head.wanted)
	}
	return nil
}

// word spares a string for each of the answers that are as hoped.
func word(b []byte) string {
	if string(b) == "accepted" {
		return "accepted"
	}
	return string(b)
}
