package api

import (
	"math"
	"time"

	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/admission"
	"sluice/internal/admission/simulate"
	"sluice/internal/whatif"
)

// courseSteps is how many values a course has.
const courseSteps = 120

// simulationAnswer compares two simulations.
type simulationAnswer struct {
	From       *time.Time           `json:"from,omitempty" doc:"When the first execution that is played became available."`
	CutOff     bool                 `json:"cutOff" doc:"There are earlier executions within since, which are not played."`
	Executions int                  `json:"executions"`
	Now        simulation           `json:"now" doc:"With the limits as they are."`
	Then       simulation           `json:"then" doc:"With the other limits."`
	Priorities []simulatedPriority  `json:"priorities"`
	Workspaces []simulatedWorkspace `json:"workspaces" doc:"Those of which something never starts first, then those with the longest waits."`
	LeftOff    int                  `json:"workspacesLeftOff" doc:"How many workspaces more there are."`
}

// SimulatedWaits are the times from being available to being started.
type SimulatedWaits struct {
	P50          *int64 `json:"waitP50Ms,omitempty" doc:"Left out where nothing was started."`
	P99          *int64 `json:"waitP99Ms,omitempty" doc:"Left out where nothing was started."`
	NeverStarted int    `json:"neverStarted" doc:"How many executions the limits let never start, or not within ten years."`
}

func waitsOf(started, never int, w simulate.Waits) SimulatedWaits {
	out := SimulatedWaits{NeverStarted: never}
	if started > 0 {
		out.P50, out.P99 = new(w.P50.Milliseconds()), new(w.P99.Milliseconds())
	}
	return out
}

// simulation is one as a whole.
type simulation struct {
	SimulatedWaits
	LastsMS      int64                    `json:"lastsMs" doc:"Until the last execution ended."`
	Utilisation  float64                  `json:"utilisation" doc:"How much of the limit of all workspaces was in use on average until the last start; 0 without one."`
	Fairness     string                   `json:"fairness" doc:"What workspaces shared by weight."`
	Jain         *float64                 `json:"jain,omitempty" doc:"Jain's index of starts; left out where nothing was contended, and where there are nominal quotas or cohorts."`
	JainSlotTime *float64                 `json:"jainSlotTime,omitempty" doc:"The same of the time for which slots are held."`
	MaxLag       *float64                 `json:"maxLag,omitempty" doc:"How many starts any workspace was behind its share at most."`
	Waited       map[admission.Reason]int `json:"waited" doc:"In how many decisions a workspace was granted nothing, by reason."`
}

func simulationOf(s whatif.Side) simulation {
	out := simulation{
		SimulatedWaits: waitsOf(len(s.Started)-s.NeverStarted, s.NeverStarted, s.Waits), LastsMS: s.Lasted.Milliseconds(), Utilisation: s.Utilisation, Fairness: admin.FairStarts, Waited: s.Waited,
	}
	if s.Config.SlotTime {
		out.Fairness = admin.FairSlotTime
	}
	if s.SlotTime != nil && s.SlotTime.Judged > 0 {
		out.JainSlotTime = &s.SlotTime.Jain
	}
	if s.Fairness != nil && s.Fairness.Judged > 0 {
		out.Jain, out.MaxLag = &s.Fairness.Jain, &s.Fairness.MaxLag
	}
	return out
}

// simulatedPriority compares the executions of one priority.
type simulatedPriority struct {
	Priority   int            `json:"priority"`
	Executions int            `json:"executions"`
	Now        SimulatedWaits `json:"now"`
	Then       SimulatedWaits `json:"then"`
}

// simulatedWorkspace compares the executions of one workspace.
type simulatedWorkspace struct {
	ID         uuid.UUID        `json:"id"`
	Name       string           `json:"name"`
	Executions int              `json:"executions"`
	Now        simulatedOutcome `json:"now"`
	Then       simulatedOutcome `json:"then"`
}

// simulatedOutcome is what would have become of a workspace.
type simulatedOutcome struct {
	SimulatedWaits
	Utilisation float64 `json:"utilisation" doc:"How much of its limit it used on average until the last start of all."`
}

func outcomeOf(o simulate.Outcome) simulatedOutcome {
	return simulatedOutcome{waitsOf(o.Executions, o.NeverStarted, o.Waits), o.Utilisation}
}

func simulationAnswerOf(c whatif.Comparison, most int) simulationAnswer {
	out := simulationAnswer{CutOff: c.CutOff, Executions: c.Executions, Now: simulationOf(c.Now), Then: simulationOf(c.Then), Priorities: []simulatedPriority{}, Workspaces: []simulatedWorkspace{}}
	if !c.From.IsZero() {
		out.From = &c.From
	}
	for _, p := range c.Priorities {
		out.Priorities = append(out.Priorities, simulatedPriority{p.Priority, p.Executions,
			waitsOf(p.Now.Executions, p.Executions-p.Now.Executions, p.Now.Waits), waitsOf(p.Then.Executions, p.Executions-p.Then.Executions, p.Then.Waits)})
	}
	for _, w := range c.Workspaces[:min(most, len(c.Workspaces))] {
		out.Workspaces = append(out.Workspaces, simulatedWorkspace{w.ID, w.Name, w.Executions, outcomeOf(w.Now), outcomeOf(w.Then)})
	}
	out.LeftOff = len(c.Workspaces) - len(out.Workspaces)
	return out
}

// workspaceSimulationAnswer compares two simulations for one workspace. All figures are of its own executions.
type workspaceSimulationAnswer struct {
	From       *time.Time          `json:"from,omitempty" doc:"When its first execution that is played became available."`
	CutOff     bool                `json:"cutOff" doc:"Earlier executions within since are not played."`
	Executions int                 `json:"executions"`
	StepMS     int64               `json:"stepMs" doc:"The time between two values of a course, which begins at from; 0: it has no length."`
	Now        workspaceSimulation `json:"now" doc:"With the limits as they are."`
	Then       workspaceSimulation `json:"then" doc:"With the other limits."`
}

// workspaceSimulation is one of the two.
type workspaceSimulation struct {
	SimulatedWaits
	Limit       int       `json:"limit" doc:"How many workflows it may run at once."`
	LastsMS     int64     `json:"lastsMs" doc:"Until its last execution ended."`
	Utilisation float64   `json:"utilisation" doc:"How much of its limit it used on average, until its last execution ended."`
	Waiting     []float64 `json:"waiting" doc:"How many of its executions waited, on average over each step."`
	Running     []float64 `json:"running" doc:"How many of its executions ran, on average over each step."`
}

func workspaceSimulationAnswerOf(v whatif.View, cutOff bool) workspaceSimulationAnswer {
	out := workspaceSimulationAnswer{CutOff: cutOff, Executions: v.Executions, StepMS: v.Step.Milliseconds()}
	if v.Executions > 0 {
		out.From = &v.From
	}
	out.Now, out.Then = workspaceSimulationOf(v.Now, v.Executions), workspaceSimulationOf(v.Then, v.Executions)
	return out
}

func workspaceSimulationOf(v whatif.ViewSide, executions int) workspaceSimulation {
	return workspaceSimulation{
		SimulatedWaits: waitsOf(executions-v.NeverStarted, v.NeverStarted, v.Waits), Limit: v.Limit, LastsMS: v.Lasts.Milliseconds(), Utilisation: v.Utilisation,
		Waiting: rounded(v.Course.Waiting), Running: rounded(v.Course.Running),
	}
}

// rounded are thousandths, and never no list.
func rounded(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = math.Round(1000*v) / 1000
	}
	return out
}
