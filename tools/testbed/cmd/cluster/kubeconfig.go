package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	authentication "k8s.io/api/authentication/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// credentials say who a kubeconfig is for: a bearer token, or a client certificate.
type credentials struct {
	token     string
	cert, key []byte
}

func (s *state) writeKubeconfig(path, user string, c credentials) error {
	ca, err := os.ReadFile(s.pki("ca.crt"))
	if err != nil {
		return err
	}
	config := api.NewConfig()
	config.Clusters[s.Name] = &api.Cluster{Server: s.server(), CertificateAuthorityData: ca}
	config.AuthInfos[user] = &api.AuthInfo{
		Token: c.token, ClientCertificateData: c.cert, ClientKeyData: c.key,
	}
	config.Contexts[s.Name] = &api.Context{Cluster: s.Name, AuthInfo: user}
	config.CurrentContext = s.Name
	return clientcmd.WriteToFile(*config, path)
}

// client is the admin's, without client-side limits.
func (s *state) client() (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", s.kubeconfig())
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	return kubernetes.NewForConfig(config)
}

func runKubeconfig(args []string) error {
	flags, p := placeFlags("kubeconfig")
	account := flags.String("service-account", "", "NAMESPACE/NAME: with a bound token of it")
	duration := flags.Duration("duration", time.Hour, "how long the token lives (at least 10m)")
	user := flags.String("user", "", "with a client certificate for this user")
	groups := flags.StringSlice("group", nil, "groups of that user")
	out := flags.String("out", "", "where to write it (default: into the cluster's directory)")
	if _, err := parsePlace(flags, p, args); err != nil {
		return err
	}
	if (*account == "") == (*user == "") {
		return usagef("say either --service-account NAMESPACE/NAME or --user NAME")
	}
	s, err := loadState(p)
	if err != nil {
		return err
	}
	name := *user
	var c credentials
	if *account != "" {
		name = strings.ReplaceAll(*account, "/", "_")
		c, err = s.accountToken(*account, *duration)
	} else {
		c, err = s.userCertificate(*user, *groups)
	}
	if err != nil {
		return err
	}
	if *out == "" {
		*out = s.userKubeconfig(filepath.Base(name))
	}
	if err := s.writeKubeconfig(*out, name, c); err != nil {
		return err
	}
	fmt.Println(*out)
	return nil
}

func (s *state) accountToken(account string, life time.Duration) (credentials, error) {
	namespace, name, ok := strings.Cut(account, "/")
	if !ok {
		return credentials{}, usagef("--service-account %q: expected NAMESPACE/NAME", account)
	}
	client, err := s.client()
	if err != nil {
		return credentials{}, err
	}
	seconds := int64(life.Seconds())
	request := &authentication.TokenRequest{
		Spec: authentication.TokenRequestSpec{ExpirationSeconds: &seconds},
	}
	reply, err := client.CoreV1().ServiceAccounts(namespace).CreateToken(context.Background(), name,
		request, meta.CreateOptions{})
	if err != nil {
		return credentials{}, err
	}
	return credentials{token: reply.Status.Token}, nil
}

func (s *state) userCertificate(user string, groups []string) (credentials, error) {
	ca, err := loadAuthority(s.path("pki"))
	if err != nil {
		return credentials{}, err
	}
	dir, err := os.MkdirTemp(s.dir, "user-")
	if err != nil {
		return credentials{}, err
	}
	defer os.RemoveAll(dir)
	if err := ca.issue(clientTemplate(user, groups), dir, "user"); err != nil {
		return credentials{}, err
	}
	var c credentials
	if c.cert, err = os.ReadFile(filepath.Join(dir, "user.crt")); err != nil {
		return credentials{}, err
	}
	c.key, err = os.ReadFile(filepath.Join(dir, "user.key"))
	return c, err
}
