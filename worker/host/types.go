package host

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"sluice/workflows"
)

// ownTypes are the user's workflow and activity types. RegisterWorkflows and RegisterActivities are called once, by New, on a
// registry that writes down and tries what they ask for; each workspace worker then gets the same. So whatever the SDK
// refuses is refused by New, and not when the first workspace has work.
type ownTypes struct {
	workflows, activities     []string // their names, in order
	anyWorkflow, anyActivity  bool     // a dynamic one takes every name that no other has
	onWorkflows, onActivities []func(worker.Registry)
}

// reserved are the names of Sluice's own types: on whatever task queue, what has such a name is Sluice's.
var reserved = []string{
	workflows.DispatcherType, workflows.RecoveryType, workflows.ExecutionType,
	workflows.ActivityTakeOver, workflows.ActivityRetire, workflows.ActivityCheckCapacity, workflows.ActivityClaimExecutions,
	workflows.ActivityDispatchExecutions, workflows.ActivityAwaitWork, workflows.ActivityLogAction, workflows.ActivityRecordOutcome,
	workflows.ActivityCallHTTP, workflows.ActivitySweep, workflows.ActivityReleaseStaleClaims, workflows.ActivityReconcile,
}

// learnTypes calls the user's functions and returns what they register, or everything that is wrong with it.
func learnTypes(c Config, register func(worker.Registry)) (ownTypes, error) {
	var own ownTypes
	// A lazy client connects to nothing, and the worker is not started.
	nowhere, err := client.NewLazyClient(client.Options{Logger: silent{}})
	if err != nil {
		return own, fmt.Errorf("prepare to register types: %w", err)
	}
	trial := worker.New(nowhere, "trial", worker.Options{})
	defer func() {
		nowhere.Close() // first: a worker that stops says so to the server
		trial.Stop()    // gives the workflow cache back
	}()
	register(trial)
	r := &recorder{trial: trial, own: &own}
	if c.RegisterWorkflows != nil {
		r.during("register workflows", func() { c.RegisterWorkflows(r) })
	}
	if c.RegisterActivities != nil {
		r.during("register activities", func() { c.RegisterActivities(r) })
	}
	slices.Sort(own.workflows)
	slices.Sort(own.activities)
	return own, errors.Join(r.problems...)
}

// registerOn gives a worker the user's types.
func (t ownTypes) registerOn(w worker.Registry) {
	for _, register := range slices.Concat(t.onWorkflows, t.onActivities) {
		register(w)
	}
}

// recorder is the registry that the user's functions see.
type recorder struct {
	trial    worker.Registry
	own      *ownTypes
	doing    string
	problems []error
}

// during calls a function of the user's; a panic of its own is a problem like those of the SDK.
func (r *recorder) during(doing string, call func()) {
	r.doing = doing
	defer func() {
		if reason := recover(); reason != nil {
			r.problems = append(r.problems, fmt.Errorf("%s: panic: %v", doing, reason))
		}
	}()
	call()
}

// try registers something on the trial worker, and notes it if the SDK takes it. The names are those under which it will be found.
func (r *recorder) try(kind string, what any, names []string, register func(worker.Registry), noteIn *[]func(worker.Registry), namesIn *[]string) (ok bool) {
	err := func() (err error) {
		defer func() {
			if reason := recover(); reason != nil {
				err = fmt.Errorf("%v", reason)
			}
		}()
		if isNil(what) {
			return fmt.Errorf("%s: a nil %T cannot be called", cmp.Or(strings.Join(names, ", "), "without a name"), what)
		}
		for _, name := range names {
			// The SDK lets a type be replaced where it is told to, and where a factory is given instead of a function.
			if slices.Contains(reserved, name) {
				return fmt.Errorf("%s %q is already registered: it is a type of Sluice's own, give yours another name", kind, name)
			}
			if slices.Contains(*namesIn, name) {
				return fmt.Errorf("%s %q is already registered", kind, name)
			}
		}
		register(r.trial)
		return nil
	}()
	if err != nil {
		r.problems = append(r.problems, fmt.Errorf("%s: %w", r.doing, err))
		return false
	}
	*noteIn = append(*noteIn, register)
	*namesIn = append(*namesIn, names...)
	return true
}

func (r *recorder) RegisterWorkflow(w any) {
	r.RegisterWorkflowWithOptions(w, workflow.RegisterOptions{})
}

func (r *recorder) RegisterWorkflowWithOptions(w any, options workflow.RegisterOptions) {
	r.try("workflow name", w, named(w, options.Name), func(to worker.Registry) { to.RegisterWorkflowWithOptions(w, options) },
		&r.own.onWorkflows, &r.own.workflows)
}

func (r *recorder) RegisterDynamicWorkflow(w any, options workflow.DynamicRegisterOptions) {
	r.own.anyWorkflow = r.try("workflow name", w, nil, func(to worker.Registry) { to.RegisterDynamicWorkflow(w, options) },
		&r.own.onWorkflows, &r.own.workflows) || r.own.anyWorkflow
}

func (r *recorder) RegisterActivity(a any) {
	r.RegisterActivityWithOptions(a, activity.RegisterOptions{})
}

func (r *recorder) RegisterActivityWithOptions(a any, options activity.RegisterOptions) {
	r.try("activity type", a, activityNames(a, options), func(to worker.Registry) { to.RegisterActivityWithOptions(a, options) },
		&r.own.onActivities, &r.own.activities)
}

func (r *recorder) RegisterDynamicActivity(a any, options activity.DynamicRegisterOptions) {
	r.own.anyActivity = r.try("activity type", a, nil, func(to worker.Registry) { to.RegisterDynamicActivity(a, options) },
		&r.own.onActivities, &r.own.activities) || r.own.anyActivity
}

// isNil tells nil, and a function or pointer that is nil: the SDK takes those by name, and panics when they are called.
func isNil(what any) bool {
	v := reflect.ValueOf(what)
	return !v.IsValid() || (v.Kind() == reflect.Func || v.Kind() == reflect.Pointer) && v.IsNil()
}

// named is the name that the SDK gives to a function: the one in the options, else that of the function itself.
func named(function any, name string) []string {
	v := reflect.ValueOf(function)
	switch {
	case name != "":
	case v.Kind() != reflect.Func || v.IsNil():
		return nil // the SDK says what is wrong
	default:
		name = runtime.FuncForPC(v.Pointer()).Name()
		name = strings.TrimSuffix(name[strings.LastIndex(name, ".")+1:], "-fm") // -fm: a method that is used as a function
	}
	return []string{name}
}

// activityNames are the names of one activity, or of the methods of a struct that are activities.
func activityNames(a any, options activity.RegisterOptions) (names []string) {
	v := reflect.ValueOf(a)
	if v.Kind() != reflect.Pointer || v.Type().Elem().Kind() != reflect.Struct || v.IsNil() {
		return named(a, options.Name)
	}
	for i := range v.NumMethod() {
		method := v.Type().Method(i)
		// The SDK skips or refuses the others.
		if results := method.Type.NumOut(); results > 0 && results <= 2 && method.Type.Out(results-1) == reflect.TypeFor[error]() {
			names = append(names, options.Name+method.Name)
		}
	}
	return names
}

// silent is a logger for a worker that never runs.
type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}
