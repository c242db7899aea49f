package config

import (
	"time"
)

// defaultStrategyName is the strategy of a service that names none.
const defaultStrategyName = "canary"

// defaultStrategy is what a strategy is where it says nothing: serial.
func defaultStrategy() Strategy { return Strategy{Batch: Size{N: 1}, OnFailure: "rollback"} }

func strategyFields() []field[Strategy] {
	return owned("strategy",
		key("canary", size(0), func(s *Strategy) *Size { return &s.Canary }),
		key("batch", size(1), func(s *Strategy) *Size { return &s.Batch }),
		key("bake", duration(0, 7*24*time.Hour), func(s *Strategy) *time.Duration { return &s.Bake }),
		key("max_failures", size(0), func(s *Strategy) *Size { return &s.MaxFailures }),
		key("on_failure", enum("rollback", "halt"), func(s *Strategy) *string { return &s.OnFailure }),
		key("rollback", paceKeys(), func(s *Strategy) *Pace { return &s.Rollback }),
	)
}

func paceKeys() kind[Pace] {
	return object("rollback", key("batch", size(1), func(p *Pace) *Size { return &p.Batch }))
}

func strategyKeys() kind[Strategy] { return object("strategy", strategyFields()...) }

// strategyUseKeys is a service's strategy: a name, or a name with changes for this service. An overlay with a name begins afresh.
func strategyUseKeys() kind[Strategy] {
	name := word("a strategy's name")
	fields := append([]field[Strategy]{key("name", name, func(s *Strategy) *string { return &s.Name })}, strategyFields()...)
	k := object("strategy_use", fields...).short("a strategy's name, or a mapping", expandStrategy, name.shape)
	k.shape.keeps = func(base, over *tree) *tree {
		if over.get("name") != nil {
			return nil
		}
		return base
	}
	return k
}

func expandStrategy(t *tree) *tree {
	if t == nil || t.kind != scalar || t.isNull() {
		return t
	}
	return single(t, "name", t.text)
}
