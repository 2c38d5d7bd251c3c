package devstack

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// temporalDynamicConfig is what the dev server needs beyond its own defaults.
// The rates it lifts protect clusters from their users; here they would only
// throttle, and the machine is the limit anyway.
var temporalDynamicConfig = map[string]any{
	// Priority and fairness keys are ignored without these two.
	"matching.useNewMatcher":  true,
	"matching.enableFairness": true,
	// Concurrent long polls per namespace and API method (default 1,200). Beyond it
	// polls are refused, and every task queue starves: one per workspace reaches that.
	"frontend.namespaceCount": 10_000,
	// A workspace's task queue has one poller for four partitions by default. A poll that waits
	// in an empty partition leaves the tasks of another one lying for up to a minute.
	"matching.numTaskqueueReadPartitions":  1,
	"matching.numTaskqueueWritePartitions": 1,
	// Callbacks to this machine, as a worker's --callback-url makes use of them. When a listener was away, they go on after
	// 2 s instead of a minute.
	"component.callbacks.allowedAddresses":         []map[string]any{{"Pattern": loopback + ":*", "AllowInsecure": true}},
	"history.outboundQueue.circuitBreakerSettings": map[string]any{"Timeout": "2s"},
	// A search attribute that was just added can be used at once.
	"system.forceSearchAttributesCacheRefreshOnRead": true,

	// The one history shard of a dev server reads its task queues at most this often
	// per second (default 20), so that starts in sequence took 50 ms each; 30 ms with
	// 100. Higher gains little, and each read competes for the one SQLite connection.
	"history.transferProcessorMaxPollRPS": 100,
	"history.timerProcessorMaxPollRPS":    100,

	"frontend.rps":                                           100_000, // 2,400
	"frontend.namespaceRPS":                                  100_000, // 2,400
	"frontend.namespaceRPS.visibility":                       1_000,   // 10; 100 on the dev server
	"frontend.persistenceMaxQPS":                             100_000, // 2,000; 10,000 on the dev server
	"history.rps":                                            100_000, // 3,000
	"history.persistenceMaxQPS":                              100_000, // 9,000; 45,000 on the dev server
	"matching.rps":                                           100_000, // 1,200
	"matching.persistenceMaxQPS":                             100_000, // 3,000
	"worker.persistenceMaxQPS":                               10_000,  // 500
	"frontend.rps.namespaceReplicationInducingAPIs":          1_000,   // 20; namespaces made by tests
	"frontend.namespaceRPS.namespaceReplicationInducingAPIs": 100,     // 1
}

func temporalArgs(cfg TemporalConfig, port, uiPort int, database string) []string {
	args := []string{
		"server", "start-dev",
		"--ip", loopback, "--port", strconv.Itoa(port),
		"--namespace", temporalNamespace,
		"--log-level", "warn", "--color", "never",
	}
	if cfg.Headless {
		args = append(args, "--headless")
	} else {
		args = append(args, "--ui-port", strconv.Itoa(uiPort))
	}
	if database != "" {
		// A write-ahead log needs one fsync per checkpoint instead of two per commit,
		// and loses nothing when the process dies.
		args = append(args, "--db-filename", database, "--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal")
	}
	settings := maps.Clone(temporalDynamicConfig)
	maps.Copy(settings, cfg.DynamicConfig)
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		value, err := json.Marshal(settings[key])
		if err != nil {
			value = fmt.Appendf(nil, "%q", fmt.Sprint(settings[key]))
		}
		args = append(args, "--dynamic-config-value", key+"="+string(value))
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.SearchAttributes)) {
		args = append(args, "--search-attribute", name+"="+cfg.SearchAttributes[name])
	}
	return args
}
