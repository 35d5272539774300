// Package main is as much of a kubelet as a device plugin needs: a registration socket.  It starts
// a plugin, writes down what it registers and lists, asks for an allocation of each resource, and
// ends the plugin.
//
//	kubelet SECONDS COMMAND...
//
// Output: "resource NAME", "  id ID HEALTH", "  allocate N: ENV=... | error: ...".  With 0 SECONDS it
// runs until its input ends, and a resource is written down each time that it is registered.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

type kubelet struct {
	api.UnimplementedRegistrationServer
	mutex  sync.Mutex
	follow bool
	report map[string]string
}

func allocate(client api.DevicePluginClient, ids []string, n int) string {
	if n > len(ids) {
		return ""
	}
	request := &api.AllocateRequest{ContainerRequests: []*api.ContainerAllocateRequest{{DevicesIds: ids[:n]}}}
	response, err := client.Allocate(context.Background(), request)
	if err != nil {
		return fmt.Sprintf("  allocate %d: error: %v\n", n, err)
	}
	text := fmt.Sprintf("  allocate %d:", n)
	envs := response.ContainerResponses[0].Envs
	for _, name := range []string{"NVIDIA_VISIBLE_DEVICES", "CUDA_MPS_PIPE_DIRECTORY"} {
		if value, ok := envs[name]; ok {
			text += " " + name + "=" + value
		}
	}
	return text + "\n"
}

// watch writes down what one plugin lists first.
func (k *kubelet) watch(request *api.RegisterRequest) {
	socket := "unix://" + filepath.Join(api.DevicePluginPath, request.Endpoint)
	connection, err := grpc.NewClient(socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return
	}
	defer connection.Close()
	client := api.NewDevicePluginClient(connection)
	text := "resource " + request.ResourceName + "\n"
	stream, err := client.ListAndWatch(context.Background(), &api.Empty{})
	if err == nil {
		var list *api.ListAndWatchResponse
		if list, err = stream.Recv(); err == nil {
			var ids []string
			health := map[string]string{}
			for _, device := range list.Devices {
				ids = append(ids, device.ID)
				health[device.ID] = device.Health
			}
			sort.Strings(ids)
			for _, id := range ids {
				text += "  id " + id + " " + health[id] + "\n"
			}
			text += allocate(client, ids, 1) + allocate(client, ids, 2)
		}
	}
	if err != nil {
		text += fmt.Sprintf("  error: %v\n", err)
	}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.follow {
		fmt.Print(text)
		return
	}
	k.report[request.ResourceName] = text
}

func (k *kubelet) Register(_ context.Context, request *api.RegisterRequest) (*api.Empty, error) {
	go k.watch(request)
	return &api.Empty{}, nil
}

func run() error {
	if len(os.Args) < 3 {
		return fmt.Errorf("usage: kubelet SECONDS COMMAND")
	}
	seconds, err := strconv.Atoi(os.Args[1])
	if err != nil {
		return err
	}
	if err := os.MkdirAll(api.DevicePluginPath, 0o755); err != nil {
		return err
	}
	os.Remove(api.KubeletSocket)
	listener, err := net.Listen("unix", api.KubeletSocket)
	if err != nil {
		return err
	}
	k := &kubelet{report: map[string]string{}, follow: seconds == 0}
	server := grpc.NewServer()
	api.RegisterRegistrationServer(server, k)
	go server.Serve(listener)

	plugin := exec.Command(os.Args[2], os.Args[3:]...)
	plugin.Stderr = os.Stderr
	if err := plugin.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- plugin.Wait() }()
	enough := make(chan bool, 1)
	go func() {
		if k.follow {
			io.Copy(io.Discard, os.Stdin)
		} else {
			time.Sleep(time.Duration(seconds) * time.Second)
		}
		enough <- true
	}()
	select {
	case err := <-ended:
		fmt.Printf("ended: %v\n", err)
	case <-enough:
		plugin.Process.Signal(syscall.SIGTERM)
		<-ended
	}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	var names []string
	for name := range k.report {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Print(strings.TrimRight(k.report[name], "\n") + "\n")
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
