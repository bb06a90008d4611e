package api

import "time"

// The operations of bulk work.
const (
	Replay = "replay" // deliver again
	Purge  = "purge"  // delete for good
)

// The states of a job.
const (
	JobRunning   = "running"
	JobDone      = "done"
	JobCancelled = "cancelled"
	JobFailed    = "failed"
)

// NoSuchJob is what a call for a job says that is not there (any more).
const NoSuchJob = "no such job"

// Job is bulk work at a set rate.
type Job struct {
	ID        string            `json:"id"`
	Operation string            `json:"operation"` // Replay or Purge
	Filter    map[string]string `json:"filter"`
	Rate      string            `json:"rate"`
	State     string            `json:"state"`
	Matched   int               `json:"matched"` // what the filter selected when the job began
	Seen      int               `json:"seen"`    // of those, how many it has come to
	Done      int               `json:"done"`    // of those, how many it replayed or deleted
	StartedAt time.Time         `json:"started_at"`
	EndedAt   *time.Time        `json:"ended_at,omitempty"`
	Error     string            `json:"error,omitempty"`
}

// Jobs are those of the process, newest first.
type Jobs struct {
	Jobs []Job `json:"jobs"`
}

// BulkRequest is the body of a call that changes many deliveries. The filter's
// fields are the query parameters of the list. With a rate, such as "10/s", the
// work is done in the background and the answer is the job.
type BulkRequest struct {
	Filter map[string]string `json:"filter"`
	DryRun bool              `json:"dry_run"`
	Rate   string            `json:"rate,omitempty"`
}

// BulkResult counts what a bulk call found and did. Done may be less: what was
// settled, taken or deleted since it was found is passed over.
type BulkResult struct {
	Matched int  `json:"matched"`
	Done    int  `json:"done"`
	DryRun  bool `json:"dry_run,omitempty"`
}
