package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// quantity is something that a soak watches.
type quantity struct {
	name   string
	format func(number) string
	// slack is by how much it may have grown besides growthAllowed, as a small number
	// may double by chance. negative: growth is reported, not judged.
	slack number
}

// reported is the slack of what is not judged.
const reported = number(-1)

// The quantities.
var (
	rss        = quantity{"memory (RSS)", mibText, 8 << 20}
	heap       = quantity{"heap in use", mibText, 4 << 20}
	goroutines = quantity{"goroutines", rateText, 10}
	openFiles  = quantity{"open files", rateText, 10}
	storeFile  = quantity{"store's file", mibText, 4 << 20}
	redisUsed  = quantity{"Redis's used memory", mibText, 4 << 20}
	redisRSS   = quantity{"Redis's RSS", mibText, 8 << 20}
	appendFile = quantity{"Redis's append-only file", mibText, 16 << 20}
	eventKeys  = quantity{"remembered keys", rateText, 500}
	open       = quantity{"deliveries to make", rateText, 200}
	deadNow    = quantity{"dead letters", rateText, 50}
	answerP99  = quantity{"99% of answers within", timeText, reported}
)

var quantities = []quantity{rss, heap, goroutines, openFiles, storeFile, redisUsed, redisRSS, appendFile, eventKeys, open, deadNow, answerP99}

// sample is what was seen at one time. What was not is missing or unknown.
type sample struct {
	at     time.Duration // since the start
	values map[string]number
}

func (s sample) of(q quantity) number {
	if n, ok := s.values[q.name]; ok {
		return n
	}
	return unknown
}

// mibText writes bytes as MiB, for axes and tables whose numbers are to be compared.
func mibText(n number) string {
	if !n.known() {
		return absent
	}
	return fmt.Sprintf("%.1f MiB", n/(1<<20))
}

// look reads everything but the answers' times. What cannot be read is unknown: a
// Redis that is busy for a moment is no reason to end a soak.
func (r *rig) look(ctx context.Context) map[string]number {
	values := map[string]number{rss.name: memoryOf(r.caddy.Pid()).RSS}
	if m, err := r.metrics(ctx); err == nil {
		values[heap.name] = m.sum("go_memstats_heap_inuse_bytes", "")
		values[goroutines.name] = m.sum("go_goroutines", "")
		values[openFiles.name] = m.sum("process_open_fds", "")
		values[deadNow.name] = m.sum("webhook_queue_size", `queue_type="dead"`)
		values[open.name] = m.sum("webhook_queue_size", "") - values[deadNow.name]
		values[eventKeys.name] = m.sum("webhook_event_keys", "")
	}
	if r.redis == nil {
		if info, err := os.Stat(filepath.Join(r.at.dir, "deliveries.db")); err == nil {
			values[storeFile.name] = number(info.Size())
		}
		return values
	}
	values[redisRSS.name] = memoryOf(r.redis.pid()).RSS
	if info, err := r.redis.client.Info(ctx, "memory", "persistence").Result(); err == nil {
		values[redisUsed.name] = infoField(info, "used_memory")
		values[appendFile.name] = infoField(info, "aof_current_size")
	}
	return values
}

// infoField is a number of Redis's INFO.
func infoField(info, name string) number {
	for line := range strings.Lines(info) {
		if key, value, _ := strings.Cut(strings.TrimSpace(line), ":"); key == name {
			return parse(value)
		}
	}
	return unknown
}

// exposition is what /metrics says, line by line.
type exposition []string

// metrics asks Caddy for them.
func (r *rig) metrics(ctx context.Context) (exposition, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.at.admin+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("/metrics: %s", response.Status)
	}
	var lines exposition
	in := bufio.NewScanner(response.Body)
	for in.Scan() {
		lines = append(lines, in.Text())
	}
	return lines, in.Err()
}

// sum adds the values of a metric, of those series that have the label, or of all
// if label is empty. It is unknown if there is none.
func (e exposition) sum(name, label string) number {
	total := unknown
	for _, line := range e {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '{' || !strings.Contains(rest, label) {
			continue
		}
		if !total.known() {
			total = 0
		}
		total += parse(rest[strings.LastIndexByte(rest, ' ')+1:])
	}
	return total
}

// sampleFile is a table of samples, written as they come: what was seen until
// then is there whatever happens.
type sampleFile struct {
	file *os.File
	rows *csv.Writer
}

func newSampleFile(path string) (*sampleFile, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	f := &sampleFile{file, csv.NewWriter(file)}
	head := []string{"seconds"}
	for _, q := range quantities {
		head = append(head, q.name)
	}
	return f, f.write(head)
}

func (f *sampleFile) add(s sample) error {
	row := []string{strconv.FormatFloat(s.at.Seconds(), 'f', 1, 64)}
	for _, q := range quantities {
		cell := ""
		if n := s.of(q); n.known() {
			cell = strconv.FormatFloat(float64(n), 'f', -1, 64)
		}
		row = append(row, cell)
	}
	return f.write(row)
}

func (f *sampleFile) write(row []string) error {
	err := f.rows.Write(row)
	f.rows.Flush()
	return errors.Join(err, f.rows.Error())
}

func (f *sampleFile) close() error { return f.file.Close() }
