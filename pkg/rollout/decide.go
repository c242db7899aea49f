package rollout

// Decision is what happens after a wave.
type Decision string

// The decisions.
const (
	GoOn     Decision = "go on"
	Halt     Decision = "halt"
	RollBack Decision = "roll back"
)

// Tally is what the decision after a wave is made from.
type Tally struct {
	// Failures counts the nodes that failed so far in the whole deployment, whatever the class; Budget is how many may.
	Failures, Budget int
	// Wave and WaveFailures are the size of the wave and how many of it failed.
	Wave, WaveFailures int
	// MustPass marks a wave that ends the deployment when all of it failed, whatever the budget.
	MustPass bool
	// OnFailure is rollback or halt.
	OnFailure string
}

// Decide says whether the next wave may start. There is one budget for the whole deployment, not one for each wave.
func Decide(t Tally) Decision {
	overBudget := t.Failures > t.Budget
	allFailed := t.MustPass && t.Wave > 0 && t.WaveFailures == t.Wave
	switch {
	case !overBudget && !allFailed:
		return GoOn
	case t.OnFailure == "halt":
		return Halt
	default:
		return RollBack
	}
}
