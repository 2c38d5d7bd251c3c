package validate

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"sluice/worker/host"
)

// manifests are the objects of deploy/kubernetes, by kind.
type manifests struct {
	config  corev1.ConfigMap
	service corev1.Service
	worker  appsv1.Deployment
	setup   batchv1.Job
	budget  policyv1.PodDisruptionBudget
}

func readManifests(t *testing.T) (m manifests) {
	t.Helper()
	kinds := map[string]any{"ConfigMap": &m.config, "Service": &m.service, "Deployment": &m.worker, "Job": &m.setup, "PodDisruptionBudget": &m.budget}
	files, err := filepath.Glob("../kubernetes/*.yaml")
	require.NoError(t, err)
	seen := 0
	for _, name := range files {
		raw, err := os.ReadFile(name)
		require.NoError(t, err)
		documents := yamlutil.NewYAMLReader(bufio.NewReader(bytes.NewReader(raw)))
		for {
			document, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			var kind struct{ Kind string }
			require.NoError(t, yaml.Unmarshal(document, &kind))
			require.Contains(t, kinds, kind.Kind, name)
			require.NoError(t, yaml.UnmarshalStrict(document, kinds[kind.Kind]), "%s: %s", name, kind.Kind)
			seen++
		}
	}
	require.Equal(t, len(kinds), seen, "each kind comes once")
	return m
}

func TestManifestsAreReadStrictly(t *testing.T) {
	t.Parallel()
	m := readManifests(t)
	for kind, of := range map[string][2]string{
		"Deployment": {m.worker.APIVersion, "apps/v1"}, "Job": {m.setup.APIVersion, "batch/v1"}, "PodDisruptionBudget": {m.budget.APIVersion, "policy/v1"},
		"Service": {m.service.APIVersion, "v1"}, "ConfigMap": {m.config.APIVersion, "v1"},
	} {
		require.Equal(t, of[1], of[0], kind)
	}
}

func TestPodsHaveNoRights(t *testing.T) {
	t.Parallel()
	m := readManifests(t)
	for name, pod := range map[string]corev1.PodSpec{"worker": m.worker.Spec.Template.Spec, "setup": m.setup.Spec.Template.Spec} {
		require.True(t, *pod.SecurityContext.RunAsNonRoot, name)
		require.EqualValues(t, imageUser, *pod.SecurityContext.RunAsUser, name)
		require.False(t, *pod.AutomountServiceAccountToken, name)
		require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type, name)
		for _, c := range append(pod.InitContainers, pod.Containers...) {
			require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, c.Name)
			require.False(t, *c.SecurityContext.AllowPrivilegeEscalation, c.Name)
			require.Equal(t, []corev1.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop, c.Name)
			require.NotZero(t, c.Resources.Limits.Memory().Value(), c.Name)
			require.Equal(t, []corev1.EnvFromSource{
				{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: m.config.Name}}},
				{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "sluice"}}},
			}, c.EnvFrom, c.Name)
			require.Contains(t, imageFiles(t), c.Command[0], c.Name)
		}
	}
}

// The kubelet counts the sleep of preStop in, and kills at the end of the grace period.
func TestTheGracePeriodFitsTheDrain(t *testing.T) {
	t.Parallel()
	pod := readManifests(t).worker.Spec.Template.Spec
	grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second
	sleep := time.Duration(pod.Containers[0].Lifecycle.PreStop.Sleep.Seconds) * time.Second
	require.GreaterOrEqual(t, grace, sleep+host.DefaultShutdownTimeout+10*time.Second)
}

func TestSelectorsAndPortsMeetTheWorker(t *testing.T) {
	t.Parallel()
	m := readManifests(t)
	labels, worker := m.worker.Spec.Template.Labels, m.worker.Spec.Template.Spec.Containers[0]
	require.Equal(t, labels, m.worker.Spec.Selector.MatchLabels)
	require.Equal(t, labels, m.budget.Spec.Selector.MatchLabels)
	require.Equal(t, labels, m.service.Spec.Selector)
	require.NotEqual(t, labels, m.setup.Spec.Template.Labels, "a Service must not send requests to the job")
	port := worker.Ports[0]
	require.Equal(t, port.Name, m.service.Spec.Ports[0].TargetPort.String())
	for path, probe := range map[string]*corev1.Probe{"/readyz": worker.ReadinessProbe, "/healthz": worker.LivenessProbe} {
		require.Equal(t, path, probe.HTTPGet.Path)
		require.Equal(t, port.Name, probe.HTTPGet.Port.String())
	}
	require.Contains(t, worker.Args, "--http-address=0.0.0.0:8077")
	require.EqualValues(t, 8077, port.ContainerPort)
	require.Less(t, m.budget.Spec.MaxUnavailable.IntValue(), int(*m.worker.Spec.Replicas), "one stays while a node is drained")
}
