package cli

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// The exit codes of all commands, for scripts.
const (
	ExitNo    = 1 // the answer is no: a signature is wrong, a webhook was refused or ignored, the doctor found errors
	ExitWrong = 2 // the question could not be asked: wrong usage, or Caddy cannot be reached
)

const exitCodesHelp = "Exit codes: 0 fine; 1 the answer is no (verify: wrong, send: refused, ignored,\n" +
	"doctor: errors, bulk work: not finished); 2 wrong usage, or no Caddy there."

// refusal marks an error that is an answer, with exit code 1. All others are 2.
type refusal struct{ cause error }

func no(text string) error { return refusal{errors.New(text)} }

// Error implements error.
func (r refusal) Error() string { return r.cause.Error() }

// Unwrap lets errors.Is and As see the cause.
func (r refusal) Unwrap() error { return r.cause }

// ExitCode is that of a command which failed with err.
func ExitCode(err error) int {
	if _, ok := errors.AsType[refusal](err); ok {
		return ExitNo
	}
	return ExitWrong
}

// withExitCodes makes Caddy end with the code of a command's error. Caddy ends
// with 1 after any error but those that its own wrapper makes of a CommandFunc's
// status, so a 2 takes the way through that wrapper.
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

// argument finds what a command wants in its usage, outside of what may be left out.
var argument = regexp.MustCompile(`<[^>]+>`)

// missing says which arguments are missing, where cobra only counts them.
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

// misused is for errors of flags and arguments.
func misused(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return quit(cmd, fmt.Errorf("%w\nSee %s --help", err, cmd.CommandPath()))
}

// quit prints the error itself if its code is not 1: the error that carries the
// code through Caddy would be printed without its text, or as a line of the log.
func quit(cmd *cobra.Command, err error) error {
	if err == nil || ExitCode(err) == ExitNo {
		return err
	}
	cmd.PrintErrln("Error:", err.Error())
	cmd.SilenceErrors = true
	code := func(caddycmd.Flags) (int, error) { return ExitCode(err), nil }
	return caddycmd.WrapCommandFuncForCobra(code)(cmd, nil)
}

// noSuchCommand refuses arguments of a command that has only subcommands, and
// says which one may have been meant.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("there is no command %q", args[0])
	if cmd.SuggestionsMinimumDistance == 0 {
		cmd.SuggestionsMinimumDistance = 2 // as cobra does where it looks for suggestions itself
	}
	if meant := cmd.SuggestionsFor(args[0]); len(meant) > 0 {
		text += ": did you mean " + strings.Join(meant, " or ") + "?"
	}
	return errors.New(text)
}
