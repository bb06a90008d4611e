package modeltest

// every is all that an attempt may end with, but for RetryNow: to the machine it
// is a Retry that is due.
var every = []Result{Delivered, Retry, Dead}

// scopes are what Run explores. Each is about one thing, as the product of all
// would never come to an end.
var scopes = []Scope{
	// One event from beginning to end, whatever happens to it.
	{
		Name: "Life", Events: 1, Attempts: 1, Keys: 1, Targets: []string{"a+", "a-"}, Claims: [][2]int{{1, 1}},
		Results: every, ByHand: true, Lease: true, Time: true, Restart: true,
		deep: func(sc *Scope) { sc.Attempts = 3 },
	},
	// Two deliveries of one event, of which each keeps the other visible.
	{
		Name: "Siblings", Events: 1, Attempts: 1, Keys: 1, Targets: []string{"a+ b-"}, Claims: [][2]int{{1, 1}},
		Results: every, ByHand: true, Time: true, Restart: true, Depth: 4,
	},
	// Deliveries that are dead from the start, alone and beside another.
	{
		Name: "DeadFromStart", Events: 1, Attempts: 1, Keys: 1, Targets: []string{"ax", "ax b+"}, Claims: [][2]int{{1, 1}},
		Results: every, ByHand: true, Time: true, Restart: true, Bound: 1, Depth: 5,
	},
	// An event whose key expires while it is open, and another one with the key.
	{
		Name: "Repetitions", Events: 2, Attempts: 1, Keys: 1, Targets: []string{"a+"}, Claims: [][2]int{{1, 1}},
		Results: every, ByHand: true, Time: true, Restart: true, Depth: 7,
	},
	// Which of several deliveries a claim takes.
	{
		Name: "Order", Events: 3, Attempts: 1, Keyless: true, Targets: []string{"a-", "a-!"}, Claims: [][2]int{{1, 0}, {1, 1}, {2, 1}},
		Results: []Result{Delivered, RetryNow}, Depth: 6,
	},
	{
		Name: "OrderInTime", Events: 2, Attempts: 1, Keyless: true, Targets: []string{"a-", "a-!"}, Claims: [][2]int{{1, 0}, {1, 1}, {2, 1}},
		Results: []Result{Delivered, Retry, RetryNow}, Lease: true, Time: true, Depth: 5,
	},
	// A bound on open deliveries, and the keys of events that were refused.
	{
		Name: "Bound", Events: 3, Attempts: 1, Keys: 2, Targets: []string{"a+", "a+ b-"}, Claims: [][2]int{{1, 1}}, Bound: 1,
		Results: every, ByHand: true, Depth: 5, deep: func(sc *Scope) { sc.Depth = 9 },
	},
	// A bound on the bytes of an endpoint: whatever ends an event makes room, once.
	{
		Name: "Space", Events: 2, Attempts: 1, Keys: 2, Targets: []string{"a+", "ax", "a+ b-"}, Claims: [][2]int{{1, 1}}, Alone: true,
		Results: every, ByHand: true, Restart: true, Depth: 4, deep: func(sc *Scope) { sc.Depth = 7 },
	},
	// Keys that are held, and an event that comes with one of them.
	{
		Name: "Guard", Events: 1, Keys: 2, Targets: []string{"a+"}, Results: []Result{Delivered},
		Hold: true, Time: true, Restart: true, Depth: 5,
	},
	// Two operations at once.
	{
		Name: "LifeAtOnce", Events: 1, Attempts: 1, Keys: 1, Targets: []string{"a+"}, Claims: [][2]int{{1, 1}},
		Results: every, ByHand: true, Lease: true, Time: true, Pairs: true, Depth: 5, deep: func(sc *Scope) { sc.Attempts = 2 },
	},
	{
		Name: "LaneAtOnce", Events: 2, Attempts: 1, Keyless: true, Targets: []string{"a-"}, Claims: [][2]int{{1, 1}, {2, 2}},
		Results: []Result{Delivered, RetryNow}, Lease: true, Pairs: true, Depth: 4,
	},
	{
		Name: "KeysAtOnce", Events: 2, Keys: 1, Targets: []string{"a+"}, Results: []Result{Delivered},
		Hold: true, ByHand: true, Time: true, Pairs: true, Depth: 5,
	},
	// Two events of one key of which there is room for one, or for none, and a key that
	// is held when there is no room.
	{
		Name: "BoundAtOnce", Events: 3, Keys: 2, Targets: []string{"a+", "a+ b-"}, Bound: 2,
		Results: []Result{Delivered}, Hold: true, Pairs: true, Depth: 3,
	},
	{
		Name: "SpaceAtOnce", Events: 2, Keys: 1, Keyless: true, Targets: []string{"a+"}, Alone: true,
		Results: []Result{Delivered}, ByHand: true, Pairs: true, Depth: 3,
	},
	{
		Name: "SiblingsAtOnce", Events: 1, Attempts: 1, Keys: 1, Targets: []string{"a+ b+"},
		Results: every, ByHand: true, Pairs: true, Depth: 3,
	},
}

// anything is what walks choose from: all at once is too much to be explored.
var anything = Scope{
	Name: "Walk", Events: 4, Attempts: 4, Keys: 3, Keyless: true, Targets: []string{"a+", "a-", "b-!", "a+ b-", "a- b+!", "ax b-"}, Bound: 5,
	Claims: [][2]int{{1, 0}, {1, 1}, {2, 1}, {4, 4}}, Results: []Result{Delivered, Retry, RetryNow, Dead},
	Hold: true, ByHand: true, Lease: true, Time: true, Restart: true,
}
