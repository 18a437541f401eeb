{{/* What the values say about WorkflowTemplates and CronWorkflows. All definitions change `spec` in place. */}}

{{/* All templates: pods, containers, and when to clean up; `key` is theirs in deadlines, ttl and podGC. (root, spec, key) */}}
{{- define "argotune.setTemplate" -}}
{{- $root := .root -}}
{{- include "argotune.setPod" (dict "root" $root "spec" .spec "priorityKey" "podPriorityClassName") -}}
{{- include "argotune.setPodMetadata" (dict "root" $root "metadata" .spec.podMetadata) -}}
{{- range .spec.templates -}}
  {{- with .container -}}{{- include "argotune.setContainer" (dict "root" $root "container" .) -}}{{- end -}}
{{- end -}}
{{- $_ := set .spec "activeDeadlineSeconds" (get $root.Values.deadlines .key) -}}
{{- $_ := set .spec "ttlStrategy" (get $root.Values.ttl .key) -}}
{{- $_ := set .spec "podGC" (get $root.Values.podGC .key) -}}
{{- end -}}

{{/* tenant-auto-optimization: the size of modules' pods. (root, spec) */}}
{{- define "argotune.setTenantRun" -}}
{{- $resources := include "argotune.moduleResources" . | fromYaml -}}
{{- include "argotune.setParameters" (dict "parameters" .spec.arguments.parameters "values" (dict
  "cpu" $resources.requests.cpu "memory" $resources.requests.memory
  "cpu-limit" $resources.limits.cpu "memory-limit" $resources.limits.memory)) -}}
{{- $deadline := .root.Values.deadlines.module -}}
{{- range .spec.templates -}}
  {{- if eq .name "optimize-module" -}}
    {{- $_ := set .container "resources" $resources -}}
    {{- $_ := set . "activeDeadlineSeconds" $deadline -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* auto-optimization-multi-tenant: how many and how fast. (root, spec) */}}
{{- define "argotune.setRound" -}}
{{- include "argotune.setParameters" (dict "parameters" .spec.arguments.parameters "values" (dict
  "max-submissions" (toString (int64 .root.Values.round.maxSubmissions))
  "submit-rate" (toString .root.Values.round.submitRate))) -}}
{{- end -}}

{{/* Stops at a field of a schedule that no clock shows: Argo would only write it into the CronWorkflow's status. (schedule) */}}
{{- define "argotune.checkSchedule" -}}
{{- $names := list "minute" "hour" "day of the month" "month" "day of the week" -}}
{{- $months := "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec" -}}
{{- $values := list "[0-5]?[0-9]" "[01]?[0-9]|2[0-3]" "0?[1-9]|[12][0-9]|3[01]" (printf "0?[1-9]|1[0-2]|%s" $months)
  "[0-6]|sun|mon|tue|wed|thu|fri|sat" -}}
{{- $schedule := . -}}
{{- range $at, $field := regexSplit " +" $schedule -1 -}}
  {{- $item := printf "(\\*|\\?|(%[1]s)(-(%[1]s))?)(/[1-9][0-9]*)?" (index $values $at) -}}
  {{- if not (regexMatch (printf "(?i)^(@[a-z]+|%[1]s(,%[1]s)*)$" $item) $field) -}}
    {{- fail (printf "schedules: %q: %q is no %s" $schedule $field (index $names $at)) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* A CronWorkflow: when. (root, spec, schedules) */}}
{{- define "argotune.setCron" -}}
{{- $values := .root.Values -}}
{{- range .schedules -}}{{- include "argotune.checkSchedule" . -}}{{- end -}}
{{- $_ := set .spec "schedules" .schedules -}}
{{- $_ := set .spec "timezone" $values.timezone -}}
{{- $_ := set .spec "suspend" $values.suspend -}}
{{- $_ := set .spec "startingDeadlineSeconds" $values.round.startingDeadlineSeconds -}}
{{- $_ := set .spec "successfulJobsHistoryLimit" $values.round.history.succeeded -}}
{{- $_ := set .spec "failedJobsHistoryLimit" $values.round.history.failed -}}
{{- end -}}
