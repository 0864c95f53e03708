// Asks a server for each object as JSON and as protobuf with client-go's own codecs, and prints where they differ.
// Then reads from standard input lines {"json": ..., "protobuf": base64} of bodies and compares them in the same way.
//
//	typed [-kubeconfig FILE] < BODIES
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	crds "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/runtime/serializer/streaming"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	registration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

const mediaProtobuf = "application/vnd.kubernetes.protobuf"

var codecs serializer.CodecFactory
var failed = false
var compared = 0

// Watches last as long as they were asked for, so that all run at once; bodies are compared one by one.
var one sync.Mutex

func main() {
	kubeconfig := flag.String("kubeconfig", "", "")
	flag.Parse()
	check(crds.AddToScheme(scheme.Scheme))
	check(registration.AddToScheme(scheme.Scheme))
	metav1.AddMetaToScheme(scheme.Scheme)
	codecs = serializer.NewCodecFactory(scheme.Scheme)
	if *kubeconfig != "" {
		compareServer(*kubeconfig)
	}
	compareBodies()
	fmt.Printf("compared %d bodies\n", compared)
	if failed {
		os.Exit(1)
	}
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
}

func compareServer(kubeconfig string) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	check(err)
	config.QPS = -1
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	check(err)
	lists, err := disco.ServerPreferredResources()
	check(err)
	var waiting sync.WaitGroup
	config.GroupVersion = &metav1.SchemeGroupVersion
	config.NegotiatedSerializer = codecs
	client, err := rest.UnversionedRESTClientFor(config)
	check(err)
	for _, list := range lists {
		base := "/apis/" + list.GroupVersion
		if !strings.Contains(list.GroupVersion, "/") {
			base = "/api/" + list.GroupVersion
		}
		for _, resource := range list.APIResources {
			if strings.Contains(resource.Name, "/") || !strings.Contains(resource.Verbs.String(), "list") {
				continue
			}
			waiting.Go(func() {
				compareCollection(client, base+"/"+resource.Name, strings.Contains(resource.Verbs.String(), "watch"))
			})
		}
	}
	waiting.Wait()
	compareAnswer(client, "/api/v1/namespaces/default", "")
	compareAnswer(client, "/api/v1/namespaces/no-such", "")
	compareAnswer(client, "/api/v1/namespaces?limit=x", "")
	compareAnswer(client, "/api/v1/namespaces", ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
	compareAnswer(client, "/api/v1/namespaces/default", ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
}

func compareCollection(client rest.Interface, path string, watched bool) {
	compareAnswer(client, path, "")
	if watched {
		compareWatch(client, path)
	}
}

func get(client rest.Interface, path string, accept string) []byte {
	// Failures come as objects, too.
	body, _ := client.Get().RequestURI(path).SetHeader("Accept", accept).Do(context.Background()).Raw()
	return body
}

func compareAnswer(client rest.Interface, path string, as string) {
	text := get(client, path, "application/json"+as)
	compare(path, text, get(client, path, mediaProtobuf+as))
}

// The first events of a watch, both ways.
func compareWatch(client rest.Interface, path string) {
	query := path + "?watch=1&resourceVersion=0&timeoutSeconds=1&limit=5"
	frames := protobuf.LengthDelimitedFramer.NewFrameReader(io.NopCloser(bytes.NewReader(get(client, query, mediaProtobuf))))
	raw := protobuf.NewRawSerializer(scheme.Scheme, scheme.Scheme)
	decoder := streaming.NewDecoder(frames, raw)
	lines := bufio.NewScanner(bytes.NewReader(get(client, query, "application/json")))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var want, got metav1.WatchEvent
		check(json.Unmarshal(lines.Bytes(), &want))
		if _, _, err := decoder.Decode(nil, &got); err != nil {
			fail(query, err.Error())
			return
		}
		if want.Type != got.Type {
			fail(query, want.Type+" is "+got.Type)
		}
		compare(query, want.Object.Raw, got.Object.Raw)
	}
}

func compareBodies() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<26)
	for lines.Scan() {
		var body struct {
			Json     json.RawMessage
			Protobuf string
		}
		check(json.Unmarshal(lines.Bytes(), &body))
		binary, err := base64.StdEncoding.DecodeString(body.Protobuf)
		check(err)
		compare("given", body.Json, binary)
	}
}

func compare(what string, text []byte, binary []byte) {
	one.Lock()
	defer one.Unlock()
	compared++
	if !bytes.HasPrefix(binary, []byte("k8s\x00")) {
		fail(what, fmt.Sprintf("no protobuf: %.60q", binary))
		return
	}
	decoder := codecs.UniversalDeserializer()
	want, _, err := decoder.Decode(text, nil, nil)
	if err != nil {
		fail(what, "JSON: "+err.Error())
		return
	}
	got, _, err := decoder.Decode(binary, nil, nil)
	if err != nil {
		fail(what, "protobuf: "+err.Error())
		return
	}
	if !equality.Semantic.DeepEqual(jsonOf(want), jsonOf(got)) {
		fail(what, difference(jsonOf(want), jsonOf(got)))
	}
}

func fail(what string, why string) {
	failed = true
	fmt.Printf("%s: %s\n", what, why)
}

// As a client would see it; two ways to say nothing are the same.
func jsonOf(object runtime.Object) any {
	text, err := json.Marshal(object)
	check(err)
	var value any
	check(json.Unmarshal(text, &value))
	return pruned(value)
}

// Protobuf cannot tell an empty list or map from none.
func pruned(value any) any {
	switch typed := value.(type) {
	case map[string]any:
		for key, field := range typed {
			if field = pruned(field); field == nil {
				delete(typed, key)
			} else {
				typed[key] = field
			}
		}
		// Items of metadata only name their kind in JSON alone.
		if typed["kind"] == "PartialObjectMetadata" {
			delete(typed, "kind")
			delete(typed, "apiVersion")
		}
		if len(typed) == 0 {
			return nil
		}
	case []any:
		for i := range typed {
			typed[i] = pruned(typed[i])
		}
		if len(typed) == 0 {
			return nil
		}
	}
	return value
}

func difference(want any, got any) string {
	a, _ := json.MarshalIndent(want, "", " ")
	b, _ := json.MarshalIndent(got, "", " ")
	left, right := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	for i := range left {
		if i >= len(right) || left[i] != right[i] {
			return fmt.Sprintf("line %d: want %v, got %v", i, near(left, i), near(right, i))
		}
	}
	return "more than wanted"
}

func near(lines []string, at int) []string {
	return lines[max(0, at-1):min(len(lines), at+3)]
}
