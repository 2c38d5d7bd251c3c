package gateway

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // clients compress by default

	"go.temporal.io/sdk/client"

	"sluice/internal/alive"
)

// mostBytes of an answer, as the SDKs take it.
const mostBytes = 128 << 20

// dial connects to the frontend as the SDK does, with the TLS of the options and without their credentials.
func dial(options client.Options) (*grpc.ClientConn, error) {
	upstream := client.Options{HostPort: options.HostPort}
	if upstream.HostPort == "" {
		upstream.HostPort = client.DefaultHostPort
	}
	alive.WatchTemporal(&upstream)
	transport := insecure.NewCredentials()
	if of := options.ConnectionOptions.TLS; of != nil {
		transport = credentials.NewTLS(of)
	}
	return grpc.NewClient(upstream.HostPort, append([]grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin":{}}]}`),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(codec{}), grpc.MaxCallRecvMsgSize(mostBytes)),
	}, upstream.ConnectionOptions.DialOptions...)...)
}
