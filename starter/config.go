package main

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"

	"sluice/internal/connect"
	"sluice/internal/devstack"
)

const (
	defaultDevDir  = ".sluice"
	defaultTimeout = 30 * time.Second
)

// flags are the persistent flags as they were given.
type flags struct {
	json                            bool
	databaseURL, address, namespace string
	devDir, actor                   string
	timeout                         time.Duration
}

// config is where everything is. A value comes from its flag, else from the environment, else from the dev stack that
// runs on DevDir; Temporal's address has a default after that.
type config struct {
	DatabaseURL string // empty: unknown, see noDatabase
	Temporal    client.Options
	UIURL       string // of the dev stack; empty when unknown
	Actor       string

	noDatabase error // what to say when DatabaseURL is needed and empty
}

// loadConfig reads the environment, the profile file it may name, and the dev directory. It connects to nothing.
func loadConfig(f flags, env envconfig.EnvLookup, user string) (config, error) {
	profile, err := envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{EnvLookup: env})
	if err != nil {
		return config{}, usage("read Temporal's configuration: %v; check the TEMPORAL_ variables and the file that TEMPORAL_CONFIG_FILE names", err)
	}
	devDir := first(f.devDir, lookup(env, "SLUICE_DEV_DIR"), defaultDevDir)
	dev, devErr := devstack.ReadAddresses(devDir)
	if devErr != nil {
		dev = devstack.Addresses{}
	}
	c := config{
		DatabaseURL: first(f.databaseURL, lookup(env, "DATABASE_URL"), dev.DatabaseURL),
		Actor:       first(f.actor, "starter:"+user),
	}
	if c.DatabaseURL == "" {
		c.noDatabase = noDatabase(devErr)
	}
	onDev := first(f.address, profile.Address) == "" && dev.TemporalAddress != ""
	if onDev {
		c.UIURL = dev.UIURL
	}
	c.Temporal, err = connect.TemporalOptions(env, func(profile *envconfig.ClientConfigProfile) {
		if onDev {
			// Keys and certificates of the environment are for another server.
			*profile = envconfig.ClientConfigProfile{Address: dev.TemporalAddress, Namespace: first(profile.Namespace, dev.Namespace)}
		}
		profile.Address = first(f.address, profile.Address, client.DefaultHostPort)
		profile.Namespace = first(f.namespace, profile.Namespace, client.DefaultNamespace)
	})
	if err != nil {
		return config{}, usage("read Temporal's configuration: %v; check the TEMPORAL_ variables", err)
	}
	return c, nil
}

// noDatabase says what can be done when nothing tells where Postgres is.
func noDatabase(devErr error) error {
	why := fmt.Sprint(devErr)
	if devErr == nil || errors.Is(devErr, devstack.ErrNotRunning) {
		why = "none is running there now"
	}
	return &usageError{
		message: "no database given: pass --database-url, or set DATABASE_URL, or run a dev stack here with the worker's --dev flag",
		hint:    "a dev stack is looked for in --dev-dir, SLUICE_DEV_DIR or " + defaultDevDir + ": " + why,
	}
}

func lookup(env envconfig.EnvLookup, name string) string {
	value, _ := env.LookupEnv(name)
	return value
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
