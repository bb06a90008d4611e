package limiter

import "container/heap"

func (s *shard) init(limit int) {
	s.entries = make(map[id]*entry)
	s.max = limit
}

func (s *shard) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries)
}

// find returns the entry of a key: the one remembered, else a fresh one that
// is not remembered until keep. It is nil if there is no room for that.
func (s *shard) find(name id, now int64) *entry {
	s.tick(now)
	if e := s.entries[name]; e != nil {
		return e
	}
	// Two are forgotten for one that comes, so that after a flood the table shrinks again.
	for range 2 {
		if !s.forget(now) {
			break
		}
	}
	if s.max > 0 && len(s.entries) >= s.max {
		return nil
	}
	return &entry{id: name, pos: -1}
}

// forget drops one entry whose state is as if never used. It reports whether there was one.
//
// Entries only ever become fresh later than their due says (keep sees to that),
// so only the first of the queue needs to be looked at. One that was used since it was
// queued is queued again, once for any number of uses: the look is paid for by the use.
func (s *shard) forget(now int64) bool {
	for len(s.queue) > 0 && s.queue[0].due <= now {
		e := s.queue[0]
		if e.due = e.state.FreshAt(); e.due <= now {
			heap.Pop(&s.queue)
			delete(s.entries, e.id)
			return true
		}
		heap.Fix(&s.queue, 0)
	}
	return false
}

// keep remembers an entry as it now is. One that is as if never used and not yet
// remembered is not.
func (s *shard) keep(e *entry, now int64) {
	due := e.state.FreshAt()
	switch {
	case e.pos >= 0 && due < e.due:
		e.due = due
		heap.Fix(&s.queue, e.pos)
	case e.pos < 0 && due > now:
		e.due = due
		s.entries[e.id] = e
		heap.Push(&s.queue, e)
	}
}

// tick notes the time. When the clock has gone back, every State has to see it,
// or those that are not used would keep their place until the clock is where it was.
func (s *shard) tick(now int64) {
	if now < s.last {
		for _, e := range s.queue {
			e.state.settle(now)
			e.due = e.state.FreshAt()
		}
		heap.Init(&s.queue)
	}
	s.last = now
}

// queue is a heap of entries, the earliest due first.
type queue []*entry

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due < q[j].due }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].pos, q[j].pos = i, j
}

func (q *queue) Push(x any) {
	e := x.(*entry)
	e.pos = len(*q)
	*q = append(*q, e)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	e.pos = -1
	return e
}
