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

// NoSuchJob is the error of a call for a job that is not there, or not any more. The command line looks for it.
const NoSuchJob = "no such job"

// Job is bulk work at a set rate.
type Job struct {
	ID        string            `json:"id"`
	Operation string            `json:"operation"` // Replay or Purge
	Filter    map[string]string `json:"filter"`
	Rate      string            `json:"rate"`
	State     string            `json:"state"`
	Matched   int               `json:"matched"` // how many deliveries the filter selected when the job began
	Seen      int               `json:"seen"`    // how many of them the job has looked at
	Done      int               `json:"done"`    // how many of them it replayed or deleted
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

// BulkResult counts what a bulk call found and did. Done may be less than Matched: the call skips deliveries that
// were settled, leased or deleted since it found them.
type BulkResult struct {
	Matched int  `json:"matched"`
	Done    int  `json:"done"`
	DryRun  bool `json:"dry_run,omitempty"`
}
