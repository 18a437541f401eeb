{{/*
What is common to all templates: the raw manifests in files/ are the source, a template reads them, sets what the values
say and writes them out. Argo's own {{ }} stay, because files are not templates. Definitions that change their argument
in place write nothing; their callers throw the empty text away.
*/}}

{{/* The objects of a manifest as a YAML array, in the release's namespace. (root, file) */}}
{{- define "argotune.objects" -}}
{{- $root := .root -}}
{{- $text := $root.Files.Get (printf "files/%s" .file) | required (printf "files/%s is not in this chart" .file) -}}
{{- $objects := list -}}
{{- range regexSplit "(?m)^---\\s*$" $text -1 -}}
  {{- $object := fromYaml . -}}
  {{- if hasKey $object "Error" -}}{{- fail $object.Error -}}{{- end -}}
  {{- if $object -}}
    {{- if hasKey $object.metadata "namespace" -}}
      {{- $_ := set $object.metadata "namespace" $root.Release.Namespace -}}
    {{- end -}}
    {{- $objects = append $objects $object -}}
  {{- end -}}
{{- end -}}
{{- toYaml $objects -}}
{{- end -}}

{{/* name:tag or name@digest. (image, default: the tag when there is none) */}}
{{- define "argotune.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .default) -}}
{{- end -}}
{{- end -}}

{{/* Sets image and pull policy of a container. (root, container, image) */}}
{{- define "argotune.setImage" -}}
{{- $_ := set .container "image" (include "argotune.image" (dict "image" .image "default" .root.Chart.AppVersion)) -}}
{{- $_ := set .container "imagePullPolicy" .image.pullPolicy -}}
{{- end -}}

{{/* Sets image, name of the Secret and what is added to each of our own containers. (root, container) */}}
{{- define "argotune.setContainer" -}}
{{- $values := .root.Values -}}
{{- $container := .container -}}
{{- include "argotune.setImage" (dict "root" .root "container" $container "image" $values.image) -}}
{{- range $container.env -}}
  {{- if dig "valueFrom" "secretKeyRef" "" . -}}
    {{- $_ := set .valueFrom.secretKeyRef "name" $values.existingSecret -}}
  {{- end -}}
{{- end -}}
{{- $_ := set $container "env" (concat $container.env $values.extraEnv) -}}
{{- $_ := set $container "envFrom" (concat $container.envFrom $values.extraEnvFrom) -}}
{{- $_ := set $container "volumeMounts" (concat $container.volumeMounts $values.extraVolumeMounts) -}}
{{- end -}}

{{/* Sets where pods may run, as whom, and who pulls their images. (root, spec: of a pod or a Workflow, priorityKey: the field) */}}
{{- define "argotune.setPlacement" -}}
{{- $values := .root.Values -}}
{{- $spec := .spec -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" -}}
  {{- with get $values $key -}}{{- $_ := set $spec $key . -}}{{- end -}}
{{- end -}}
{{- with $values.image.pullSecrets -}}{{- $_ := set $spec "imagePullSecrets" . -}}{{- end -}}
{{- with $values.priorityClassName -}}{{- $_ := set $spec $.priorityKey . -}}{{- end -}}
{{- if $values.clusterAssignsIds -}}
  {{- $_ := set $spec "securityContext" (omit $spec.securityContext "runAsUser" "runAsGroup" "fsGroup") -}}
{{- end -}}
{{- end -}}

{{/* The same with our own volumes and account. (root, spec, priorityKey) */}}
{{- define "argotune.setPod" -}}
{{- include "argotune.setPlacement" . -}}
{{- $_ := set .spec "volumes" (concat .spec.volumes .root.Values.extraVolumes) -}}
{{- $_ := set .spec "serviceAccountName" (include "argotune.account" (dict "root" .root "name" .spec.serviceAccountName)) -}}
{{- end -}}

{{/* Adds labels and annotations to pods; ours cannot be changed, policies select by them. (root, metadata) */}}
{{- define "argotune.setPodMetadata" -}}
{{- $_ := set .metadata "labels" (merge .metadata.labels .root.Values.podLabels) -}}
{{- with .root.Values.podAnnotations -}}
  {{- $_ := set $.metadata "annotations" (merge ($.metadata.annotations | default dict) .) -}}
{{- end -}}
{{- end -}}

{{/* A service account's name in this release for its name in the manifests. (root, name) */}}
{{- define "argotune.account" -}}
{{- (get .root.Values.serviceAccounts (trimPrefix "argotune-" .name)).name -}}
{{- end -}}

{{/* Sets the values of parameters by name. (parameters, values) */}}
{{- define "argotune.setParameters" -}}
{{- $values := .values -}}
{{- range .parameters -}}
  {{- if hasKey $values .name -}}{{- $_ := set . "value" (get $values .name) -}}{{- end -}}
{{- end -}}
{{- end -}}

{{/* Requests and limits of a module's pod: the size's, and what `resources` says instead. (root) */}}
{{- define "argotune.moduleResources" -}}
{{- $sizes := dict
  "small" (dict "requests" (dict "cpu" "1" "memory" "2Gi") "limits" (dict "cpu" "4" "memory" "8Gi"))
  "medium" (dict "requests" (dict "cpu" "2" "memory" "4Gi") "limits" (dict "cpu" "8" "memory" "16Gi"))
  "large" (dict "requests" (dict "cpu" "4" "memory" "8Gi") "limits" (dict "cpu" "16" "memory" "32Gi")) -}}
{{- $resources := mergeOverwrite (get $sizes .root.Values.size) (deepCopy .root.Values.resources) -}}
{{- range $kind := list "requests" "limits" -}}
  {{- $amounts := get $resources $kind -}}
  {{- range $key, $amount := $amounts -}}{{- $_ := set $amounts $key (toString $amount) -}}{{- end -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{/*
Stops when the cluster does not know an API. Only a cluster has the API of its aggregator: `helm template` and `helm
lint` pass. (root, api, what: where it comes from)
*/}}
{{- define "argotune.requireApi" -}}
{{- $apis := .root.Capabilities.APIVersions -}}
{{- if and ($apis.Has "apiregistration.k8s.io/v1") (not ($apis.Has .api)) -}}
  {{- fail (printf "this cluster does not know %s: %s" .api .what) -}}
{{- end -}}
{{- end -}}
