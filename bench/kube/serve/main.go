// serve replays nodes and pods to a client under test, then a stream of changes.
//
// It speaks as much of the API as informers use: lists in pages, a streamed list, a watch that goes on.
// Objects are made before it listens, by size and shape as a GPU cluster's are (a pod 5.8 KB, a node
// 9 KB, with managedFields).  HTTP/2 over TLS, JSON, no compression.
//
//	serve --nodes 5000 --pods 100000 --rate 200 --dir DIR
//
// writes DIR/ca.crt and prints "listening ADDRESS".  Each pods watch gets its own changes, from the end
// of its list on.
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const batch = 256 << 10

// A collection holds its objects one after the other.
type collection struct {
	kind, version string
	text          []byte
	ends          []int
}

func (c *collection) add(object []byte) {
	c.text = append(c.text, object...)
	c.ends = append(c.ends, len(c.text))
}

func (c *collection) get(i int) []byte {
	start := 0
	if i > 0 {
		start = c.ends[i-1]
	}
	return c.text[start:c.ends[i]]
}

func uid(kind, i int) string {
	return fmt.Sprintf("%08x-%04x-4000-8000-%012x", i*2654435761&0xffffffff, kind, i)
}

func managed(manager string, fields int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"manager":%q,"operation":"Update","apiVersion":"v1","time":"2026-11-20T10:00:00Z",`+
		`"fieldsType":"FieldsV1","fieldsV1":{"f:status":{`, manager)
	for i := 0; i < fields; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"k:{\"type\":\"Condition%02d\"}":{".":{},"f:lastTransitionTime":{},"f:status":{},"f:type":{}}`, i)
	}
	b.WriteString("}}}")
	return b.String()
}

var (
	podManaged  = managed("kube-controller-manager", 7) + "," + managed("kubelet", 7)
	nodeManaged = managed("kubelet", 24) + "," + managed("nfd-master", 24)
)

// pod renders pod i as of a version; round changes what a client keeps of it.
func pod(b *bytes.Buffer, i, version, round, nodes int) {
	phase, ready := "Running", "True"
	if round%2 == 1 {
		phase, ready = "Pending", "False"
	}
	team, gpus := i%40, 1+i%4
	fmt.Fprintf(b, `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"inference-%d-%08x-%05x","generateName":"inference-%d-%08x-",`+
		`"namespace":"team-%d","uid":%q,"resourceVersion":"%d","creationTimestamp":"2026-11-20T10:00:00Z",`+
		`"labels":{"app":"inference-%d","pod-template-hash":"%08x","team":"team-%d","slicewright.io/class":"interactive"},`+
		`"annotations":{"prometheus.io/scrape":"true","prometheus.io/port":"8000","checksum/config":"%064x"},`+
		`"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"inference-%d-%08x","uid":%q,"controller":true,"blockOwnerDeletion":true}],`+
		`"managedFields":[%s]},`,
		i/10, i/10, i, i/10, i/10, team, uid(1, i), version, i/10, i/10, team, i, i/10, i/10, uid(2, i/10), podManaged)
	fmt.Fprintf(b, `"spec":{"volumes":[{"name":"model","persistentVolumeClaim":{"claimName":"model-%d"}},{"name":"kube-api-access-%05x","projected":{"sources":[`+
		`{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},{"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}}],"defaultMode":420}}],`+
		`"containers":[{"name":"server","image":"registry.example/inference/server:1.%d","command":["python","-m","server"],"args":["--model","/models/m%d","--port","8000"],`+
		`"ports":[{"name":"http","containerPort":8000,"protocol":"TCP"}],"env":[{"name":"POD_NAME","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.name"}}},`+
		`{"name":"OMP_NUM_THREADS","value":"8"},{"name":"LOG_LEVEL","value":"info"}],"resources":{"limits":{"cpu":"8","memory":"32Gi","nvidia.com/gpu":"%d"},`+
		`"requests":{"cpu":"4","memory":"16Gi","nvidia.com/gpu":"%d"}},"volumeMounts":[{"name":"model","readOnly":true,"mountPath":"/models"},`+
		`{"name":"kube-api-access-%05x","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}],`+
		`"readinessProbe":{"httpGet":{"path":"/health","port":8000,"scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3},`+
		`"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}],`+
		`"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","nodeSelector":{"nvidia.com/gpu.product":"NVIDIA-A100-SXM4-80GB"},`+
		`"serviceAccountName":"default","serviceAccount":"default","nodeName":"gpu-%04d","securityContext":{},"schedulerName":"default-scheduler",`+
		`"tolerations":[{"key":"nvidia.com/gpu","operator":"Exists","effect":"NoSchedule"},{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},`+
		`{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}],"priorityClassName":"serving","priority":1000,"enableServiceLinks":true,"preemptionPolicy":"PreemptLowerPriority"},`,
		i/10, i&0xfffff, i%50, i%20, gpus, gpus, i&0xfffff, i%nodes)
	fmt.Fprintf(b, `"status":{"phase":%q,"conditions":[{"type":"PodReadyToStartContainers","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-11-20T10:00:05Z"},`+
		`{"type":"Initialized","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-11-20T10:00:00Z"},{"type":"Ready","status":%q,"lastProbeTime":null,"lastTransitionTime":"2026-11-20T10:01:00Z"},`+
		`{"type":"ContainersReady","status":%q,"lastProbeTime":null,"lastTransitionTime":"2026-11-20T10:01:00Z"},{"type":"PodScheduled","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-11-20T10:00:00Z"}],`+
		`"hostIP":"10.0.%d.%d","podIP":"10.%d.%d.%d","podIPs":[{"ip":"10.%d.%d.%d"}],"startTime":"2026-11-20T10:00:00Z","containerStatuses":[{"name":"server","state":{"running":{"startedAt":"2026-11-20T10:00:30Z"}},`+
		`"lastState":{},"ready":true,"restartCount":%d,"image":"registry.example/inference/server:1.%d","imageID":"registry.example/inference/server@sha256:%064x","containerID":"containerd://%064x","started":true}],"qosClass":"Burstable"}}`,
		phase, ready, ready, i%nodes/250, i%250, i>>16&255, i>>8&255, i&255, i>>16&255, i>>8&255, i&255, round, i%50, i, i)
}

func node(b *bytes.Buffer, i, version int) {
	fmt.Fprintf(b, `{"kind":"Node","apiVersion":"v1","metadata":{"name":"gpu-%04d","uid":%q,"resourceVersion":"%d","creationTimestamp":"2026-11-01T10:00:00Z","labels":{`+
		`"kubernetes.io/arch":"amd64","kubernetes.io/os":"linux","kubernetes.io/hostname":"gpu-%04d","node.kubernetes.io/instance-type":"p4de.24xlarge","topology.kubernetes.io/region":"us-east-1","topology.kubernetes.io/zone":"us-east-1%c"`,
		i, uid(3, i), version, i, 'a'+rune(i%3))
	for _, label := range []string{"count", "product", "memory", "family", "machine", "replicas", "sharing-strategy", "compute.major", "compute.minor", "deploy.driver", "deploy.dcgm"} {
		fmt.Fprintf(b, `,"nvidia.com/gpu.%s":"%s-%d"`, label, label, i%8)
	}
	for k := 0; k < 40; k++ {
		fmt.Fprintf(b, `,"feature.node.kubernetes.io/cpu-cpuid.FEATURE%02d":"true"`, k)
	}
	fmt.Fprintf(b, `},"annotations":{"node.alpha.kubernetes.io/ttl":"0","volumes.kubernetes.io/controller-managed-attach-detach":"true"},"managedFields":[%s]},`+
		`"spec":{"providerID":"aws:///us-east-1a/i-%017x","taints":[{"key":"nvidia.com/gpu","value":"present","effect":"NoSchedule"}]},"status":{`, nodeManaged, i)
	for _, name := range []string{"capacity", "allocatable"} {
		fmt.Fprintf(b, `%q:{"cpu":"96","ephemeral-storage":"983351156Ki","hugepages-1Gi":"0","hugepages-2Mi":"0","memory":"1176329380Ki","nvidia.com/gpu":"8","pods":"250"},`, name)
	}
	b.WriteString(`"conditions":[`)
	for _, name := range []string{"MemoryPressure", "DiskPressure", "PIDPressure"} {
		fmt.Fprintf(b, `{"type":%q,"status":"False","lastHeartbeatTime":"2026-11-22T10:00:00Z","lastTransitionTime":"2026-11-01T10:00:00Z","reason":"KubeletHas","message":"kubelet has sufficient"},`, name)
	}
	fmt.Fprintf(b, `{"type":"Ready","status":"True","lastHeartbeatTime":"2026-11-22T10:00:00Z","lastTransitionTime":"2026-11-01T10:00:00Z","reason":"KubeletReady","message":"kubelet is posting ready status"}],`+
		`"addresses":[{"type":"InternalIP","address":"10.0.%d.%d"},{"type":"Hostname","address":"gpu-%04d"}],"daemonEndpoints":{"kubeletEndpoint":{"Port":10250}},"images":[`, i/250, i%250, i)
	for k := 0; k < 12; k++ {
		if k > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(b, `{"names":["registry.example/image-%d@sha256:%064x","registry.example/image-%d:1.0"],"sizeBytes":%d}`, k, k, k, 1000000*k)
	}
	b.WriteString(`],"nodeInfo":{"machineID":"x","systemUUID":"x","bootID":"x","kernelVersion":"6.1","osImage":"Debian","containerRuntimeVersion":"containerd://2.0","kubeletVersion":"v1.37.2","kubeProxyVersion":"","operatingSystem":"linux","architecture":"amd64"}}}`)
}

type server struct {
	nodes, pods collection
	version     int
	rate        int
	nodeCount   int
}

func newServer(nodes, pods, rate int) *server {
	s := &server{rate: rate, nodeCount: nodes, nodes: collection{kind: "NodeList"}, pods: collection{kind: "PodList"}}
	var b bytes.Buffer
	for i := 0; i < nodes; i++ {
		b.Reset()
		s.version++
		node(&b, i, s.version)
		s.nodes.add(b.Bytes())
	}
	for i := 0; i < pods; i++ {
		b.Reset()
		s.version++
		pod(&b, i, s.version, 0, nodes)
		s.pods.add(b.Bytes())
	}
	return s
}

func (s *server) list(w http.ResponseWriter, r *http.Request, c *collection) {
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	start, _ := strconv.Atoi(r.URL.Query().Get("continue"))
	end := len(c.ends)
	next := ""
	if limit > 0 && start+limit < end {
		end = start + limit
		next = strconv.Itoa(end)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, `{"kind":%q,"apiVersion":"v1","metadata":{"resourceVersion":"%d","continue":%q},"items":[`, c.kind, s.version, next)
	for i := start; i < end; i++ {
		if i > start {
			out.WriteByte(',')
		}
		out.Write(c.get(i))
		if out.Len() > batch {
			_, _ = w.Write(out.Bytes())
			out.Reset()
		}
	}
	out.WriteString("]}\n")
	_, _ = w.Write(out.Bytes())
}

func (s *server) watch(w http.ResponseWriter, r *http.Request, c *collection) {
	flush := http.NewResponseController(w).Flush
	kind := strings.TrimSuffix(c.kind, "List")
	var out bytes.Buffer
	send := func(force bool) bool {
		if !force && out.Len() < batch {
			return true
		}
		_, err := w.Write(out.Bytes())
		out.Reset()
		return err == nil && (!force || flush() == nil)
	}
	if r.URL.Query().Get("sendInitialEvents") == "true" {
		for i := range c.ends {
			out.WriteString(`{"type":"ADDED","object":`)
			out.Write(c.get(i))
			out.WriteString("}\n")
			if !send(false) {
				return
			}
		}
		fmt.Fprintf(&out, `{"type":"BOOKMARK","object":{"kind":%q,"apiVersion":"v1","metadata":{"resourceVersion":"%d",`+
			`"creationTimestamp":null,"annotations":{"k8s.io/initial-events-end":"true"}}}}`+"\n", kind, s.version)
	}
	if !send(true) {
		return
	}
	if c != &s.pods || s.rate == 0 {
		<-r.Context().Done()
		return
	}
	tick := time.NewTicker(time.Second / time.Duration(s.rate))
	defer tick.Stop()
	// The stride and the count of pods have no common factor: a pod changes again only after all others,
	// and each time in what a client keeps of it.
	version := s.version
	for n := 0; ; n++ {
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
		version++
		out.WriteString(`{"type":"MODIFIED","object":`)
		pod(&out, n*7919%len(c.ends), version, 1+n/len(c.ends), s.nodeCount)
		out.WriteString("}\n")
		if !send(true) {
			return
		}
	}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	collections := map[string]*collection{"/api/v1/nodes": &s.nodes, "/api/v1/pods": &s.pods}
	c := collections[r.URL.Path]
	if c == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Query().Get("watch") != "" {
		s.watch(w, r, c)
	} else {
		s.list(w, r, c)
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func certificate(dir string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true,
		BasicConstraintsValid: true, IPAddresses: []net.IP{net.ParseIP("127.0.0.1")}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(err)
	must(os.WriteFile(filepath.Join(dir, "ca.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func main() {
	nodes := flag.Int("nodes", 5000, "nodes")
	pods := flag.Int("pods", 100000, "pods")
	rate := flag.Int("rate", 200, "changes of pods a second")
	dir := flag.String("dir", ".", "where ca.crt is written")
	flag.Parse()
	s := newServer(*nodes, *pods, *rate)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	hs := &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate(*dir)}, NextProtos: []string{"h2"}}}
	fmt.Printf("listening %s\n", listener.Addr())
	fmt.Printf("bytes nodes=%d pods=%d\n", len(s.nodes.text), len(s.pods.text))
	must(hs.ServeTLS(listener, "", ""))
}
