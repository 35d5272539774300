package main

import (
	_ "github.com/NVIDIA/k8s-device-plugin/api/config/v1"
	_ "github.com/NVIDIA/mig-parted/api/spec/v1"
	_ "github.com/urfave/cli/v2"
	_ "sigs.k8s.io/yaml"
)

func main() {}
