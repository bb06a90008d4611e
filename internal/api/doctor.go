package api

// The levels of a check.
const (
	LevelOK    = "ok"
	LevelWarn  = "warn"  // it works, but somebody should look at it
	LevelError = "error" // webhooks are refused, or do not arrive
)

// LevelOrder is a level's place when checks are sorted: the worst come first.
func LevelOrder(level string) int {
	switch level {
	case LevelOK:
		return 2
	case LevelWarn:
		return 1
	}
	return 0
}

// Doctor is what the doctor found, worst first.
type Doctor struct {
	Checks []Check `json:"checks"`
}

// Check is what one check found. It never contains a secret.
type Check struct {
	Name    string `json:"name"`    // what was checked: traffic, secret, destination, …
	Level   string `json:"level"`   // ok, warn or error
	Subject string `json:"subject"` // which endpoint, endpoint/destination or store
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
}
