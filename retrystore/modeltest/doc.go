// Package modeltest compares a store with a model of the delivery state machine,
// exhaustively for small sizes.
//
// The model (state, step) is a value that says which answers each operation may
// give in each state, and what the state may be afterwards. An explorer drives a
// real store through every state of a Scope that it can reach and does there
// everything that can be done: accept, claim, settle, renew, release, let leases
// lapse, crash, replay, delete, hold keys, and, where a scope asks for it, any two
// of these at once. After each step the whole store is looked at and compared.
//
// States that differ only in names, in the past, or in which of two equal keys is
// which are one state. One store is taken through all of them on one long walk,
// since to come to a state through others is cheaper than to begin anew.
//
// Where the contract leaves several outcomes open (which of two operations came
// first, whether a crash forgot a result), the model keeps all states that agree
// with what was seen so far, and a store fails when none is left.
package modeltest
