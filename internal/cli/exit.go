package cli

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// The exit codes of commands that failed, for scripts.
const (
	ExitNo    = 1 // it was not as it should be: a signature is wrong, a webhook was refused or ignored, the doctor found errors
	ExitWrong = 2 // the question could not be asked: wrong usage, or Caddy cannot be reached
)

const exitCodesHelp = "Exit codes: 0 fine; 1 not fine (verify: wrong, send: refused, ignored,\n" +
	"doctor: errors, bulk work: not finished); 2 wrong usage, or no Caddy there."

// refusal marks an error that is an answer: its exit code is ExitNo. All other errors have ExitWrong.
type refusal struct{ cause error }

// no returns a refusal.
func no(text string) error { return refusal{errors.New(text)} }

// Error implements error.
func (r refusal) Error() string { return r.cause.Error() }

// Unwrap lets errors.Is and As see the cause.
func (r refusal) Unwrap() error { return r.cause }

// ExitCode returns the exit code of a command that failed with err, which is not nil.
func ExitCode(err error) int {
	if _, ok := errors.AsType[refusal](err); ok {
		return ExitNo
	}
	return ExitWrong
}

// withExitCodes makes Caddy exit with the code of a command's error. By itself Caddy exits with 1 after any
// error, unless the error comes from its wrapper for a CommandFunc, which carries a code. So an error with another
// code is passed through that wrapper, see quit.
func withExitCodes(cmd *cobra.Command) {
	run, args := cmd.RunE, cmd.Args
	cmd.RunE = func(cmd *cobra.Command, given []string) error { return quit(cmd, run(cmd, given)) }
	if args != nil {
		cmd.Args = func(cmd *cobra.Command, given []string) error {
			return misused(cmd, missing(cmd, given, args(cmd, given)))
		}
	}
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return misused(cmd, cmd.ValidateRequiredFlags()) }
	cmd.SetFlagErrorFunc(misused)
	for _, sub := range cmd.Commands() {
		withExitCodes(sub)
	}
}

// argument finds the arguments in a command's usage.
var argument = regexp.MustCompile(`<[^>]+>`)

// missing replaces cobra's error about arguments, which only counts them, by one that names those that are missing.
func missing(cmd *cobra.Command, given []string, err error) error {
	if err == nil {
		return nil
	}
	required, _, _ := strings.Cut(cmd.Use, "[")
	wanted := argument.FindAllString(required, -1)
	if len(given) >= len(wanted) {
		return fmt.Errorf("%w\nUsage: %s", err, cmd.UseLine())
	}
	lacking, verb := wanted[len(given):], "is"
	if len(lacking) > 1 {
		verb = "are"
	}
	return fmt.Errorf("%s %s missing\nUsage: %s", strings.Join(lacking, " and "), verb, cmd.UseLine())
}

// misused is for errors of flags and arguments: it points to the command's help.
func misused(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return quit(cmd, fmt.Errorf("%w\nSee %s --help", err, cmd.CommandPath()))
}

// quit prints an error whose code is not ExitNo, and returns one that only carries the code: Caddy would print it
// without the text, or as a line of the log.
func quit(cmd *cobra.Command, err error) error {
	if err == nil || ExitCode(err) == ExitNo {
		return err
	}
	cmd.PrintErrln("Error:", err.Error())
	cmd.SilenceErrors = true
	code := func(caddycmd.Flags) (int, error) { return ExitCode(err), nil }
	return caddycmd.WrapCommandFuncForCobra(code)(cmd, nil)
}

// noSuchCommand refuses arguments of a command that has only subcommands, and suggests subcommands with a
// similar name.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("there is no command %q", args[0])
	if cmd.SuggestionsMinimumDistance == 0 {
		cmd.SuggestionsMinimumDistance = 2 // as cobra sets it before it looks for suggestions itself
	}
	if meant := cmd.SuggestionsFor(args[0]); len(meant) > 0 {
		text += ": did you mean " + strings.Join(meant, " or ") + "?"
	}
	return errors.New(text)
}
