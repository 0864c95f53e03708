// A controller as controller-runtime's users write them: each ConfigMap in namespace "from" has a copy in namespace
// "to", changed with it and gone with it. Beside it an informer of client-go's typed clients follows namespace "from",
// in protobuf. Each line of standard input is answered with what the two caches hold then, as one line of JSON:
// names with their data's value "v".
//
//	controller -kubeconfig FILE
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const (
	from = "from"
	to   = "to"
)

type copier struct {
	client.Client
}

func (c *copier) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var source, target corev1.ConfigMap
	name := request.Name
	sourceErr := c.Get(ctx, client.ObjectKey{Namespace: from, Name: name}, &source)
	targetErr := c.Get(ctx, client.ObjectKey{Namespace: to, Name: name}, &target)
	if client.IgnoreNotFound(sourceErr) != nil || client.IgnoreNotFound(targetErr) != nil {
		return ctrl.Result{}, fmt.Errorf("%v, %v", sourceErr, targetErr)
	}
	switch {
	case sourceErr != nil && targetErr != nil:
		return ctrl.Result{}, nil
	case sourceErr != nil:
		return ctrl.Result{}, client.IgnoreNotFound(c.Delete(ctx, &target))
	case targetErr != nil:
		err := c.Create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: to, Name: name},
			Data:       source.Data,
		})
		// The cache may be behind what this controller itself did.
		if apierrors.IsAlreadyExists(err) {
			return ctrl.Result{Requeue: true}, nil
		}
		return ctrl.Result{}, err
	case target.Data["v"] != source.Data["v"]:
		changed := target.DeepCopy()
		changed.Data = source.Data
		return ctrl.Result{}, c.Update(ctx, changed)
	}
	return ctrl.Result{}, nil
}

func main() {
	kubeconfig := flag.Lookup("kubeconfig")
	flag.Parse()
	ctrl.SetLogger(zap.New(zap.WriteTo(os.Stderr)))
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig.Value.String())
	check(err)
	config.QPS = -1
	ctx, stop := context.WithCancel(ctrl.SetupSignalHandler())
	manager, err := ctrl.NewManager(config, ctrl.Options{Metrics: metricsserver.Options{BindAddress: "0"}})
	check(err)
	check(ctrl.NewControllerManagedBy(manager).
		For(&corev1.ConfigMap{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: 8}).
		Complete(&copier{manager.GetClient()}))
	lister := typedInformer(ctx, config)
	go answer(ctx, stop, manager.GetClient(), lister)
	check(manager.Start(ctx))
}

func typedInformer(ctx context.Context, config *rest.Config) listers.ConfigMapLister {
	typed := rest.CopyConfig(config)
	typed.ContentType = "application/vnd.kubernetes.protobuf"
	typed.AcceptContentTypes = "application/vnd.kubernetes.protobuf"
	set, err := kubernetes.NewForConfig(typed)
	check(err)
	factory := informers.NewSharedInformerFactoryWithOptions(set, 0, informers.WithNamespace(from))
	lister := factory.Core().V1().ConfigMaps().Lister()
	factory.Start(ctx.Done())
	return lister
}

// Standard input's end is this program's end.
func answer(ctx context.Context, stop func(), cached client.Client, lister listers.ConfigMapLister) {
	defer stop()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		seen := map[string]map[string]string{"cache": {}, "informer": {}}
		var list corev1.ConfigMapList
		if err := cached.List(ctx, &list, client.InNamespace(from)); err == nil {
			for _, one := range list.Items {
				seen["cache"][one.Name] = one.Data["v"]
			}
		}
		typed, err := lister.List(labels.Everything())
		check(err)
		for _, one := range typed {
			seen["informer"][one.Name] = one.Data["v"]
		}
		text, err := json.Marshal(seen)
		check(err)
		fmt.Println(string(text))
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
