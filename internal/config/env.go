package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"time"

	"github.com/kelseyhightower/envconfig"
)

// maxSmallFile bounds what is read of a file, in bytes: a path that names the wrong file must not fill memory.
const maxSmallFile = 64 << 10

// environment is what envconfig fills. Full names in the tags and an empty prefix keep it from reading bare names such
// as URL; pointers tell unset from empty; strings keep it from stopping at the first value that does not parse, and
// from printing that value.
type environment struct {
	Config *string `envconfig:"VIDBELL_CONFIG"`

	APIKey     *string `envconfig:"VIDBELL_API_KEY"`
	APIKeyFile *string `envconfig:"VIDBELL_API_KEY_FILE"`
	APIURL     *string `envconfig:"VIDBELL_API_URL"`
	UniqueID   *string `envconfig:"VIDBELL_UNIQUE_ID"`

	PollInterval    *string `envconfig:"VIDBELL_POLL_INTERVAL"`
	PollMaxInterval *string `envconfig:"VIDBELL_POLL_MAX_INTERVAL"`
	SweepInterval   *string `envconfig:"VIDBELL_SWEEP_INTERVAL"`
	RateLimit       *string `envconfig:"VIDBELL_RATE_LIMIT"`
	Baseline        *string `envconfig:"VIDBELL_BASELINE"`
	StallAfter      *string `envconfig:"VIDBELL_STALL_AFTER"`

	StatusParse      *string `envconfig:"VIDBELL_STATUS_PARSE"`
	StatusDone       *string `envconfig:"VIDBELL_STATUS_DONE"`
	StatusFailed     *string `envconfig:"VIDBELL_STATUS_FAILED"`
	StatusProcessing *string `envconfig:"VIDBELL_STATUS_PROCESSING"`

	WebhookURL           *string `envconfig:"VIDBELL_WEBHOOK_URL"`
	WebhookSecret        *string `envconfig:"VIDBELL_WEBHOOK_SECRET"`
	WebhookSecretFile    *string `envconfig:"VIDBELL_WEBHOOK_SECRET_FILE"`
	WebhookEvents        *string `envconfig:"VIDBELL_WEBHOOK_EVENTS"`
	WebhookAllowNetworks *string `envconfig:"VIDBELL_WEBHOOK_ALLOW_NETWORKS"`
	WebhookTimeout       *string `envconfig:"VIDBELL_WEBHOOK_TIMEOUT"`
	WebhookInFlight      *string `envconfig:"VIDBELL_WEBHOOK_IN_FLIGHT"`
	WebhookSchedule      *string `envconfig:"VIDBELL_WEBHOOK_SCHEDULE"`

	WebhookSources         *string `envconfig:"VIDBELL_WEBHOOK_SOURCES"`
	WebhookFilter          *string `envconfig:"VIDBELL_WEBHOOK_FILTER"`
	WebhookOrder           *string `envconfig:"VIDBELL_WEBHOOK_ORDER"`
	WebhookRateLimit       *string `envconfig:"VIDBELL_WEBHOOK_RATE_LIMIT"`
	WebhookInsecureHTTP    *string `envconfig:"VIDBELL_WEBHOOK_INSECURE_HTTP"`
	WebhookHeaders         *string `envconfig:"VIDBELL_WEBHOOK_HEADERS"`
	WebhookHeadersFile     *string `envconfig:"VIDBELL_WEBHOOK_HEADERS_FILE"`
	WebhookHandshakeOrigin *string `envconfig:"VIDBELL_WEBHOOK_HANDSHAKE_ORIGIN"`
	WebhookHandshakeRate   *string `envconfig:"VIDBELL_WEBHOOK_HANDSHAKE_RATE"`
	WebhookFormat          *string `envconfig:"VIDBELL_WEBHOOK_FORMAT"`
	WebhookLink            *string `envconfig:"VIDBELL_WEBHOOK_LINK"`
	WebhookGroupWait       *string `envconfig:"VIDBELL_WEBHOOK_GROUP_WAIT"`
	WebhookGroupMax        *string `envconfig:"VIDBELL_WEBHOOK_GROUP_MAX"`
	WebhookRoutingKey      *string `envconfig:"VIDBELL_WEBHOOK_ROUTING_KEY"`
	WebhookRoutingKeyFile  *string `envconfig:"VIDBELL_WEBHOOK_ROUTING_KEY_FILE"`
	WebhookAlertFor        *string `envconfig:"VIDBELL_WEBHOOK_ALERT_FOR"`
	WebhookTemplate        *string `envconfig:"VIDBELL_WEBHOOK_TEMPLATE"`
	WebhookContentType     *string `envconfig:"VIDBELL_WEBHOOK_CONTENT_TYPE"`

	NATSURL             *string `envconfig:"VIDBELL_NATS_URL"`
	NATSCreds           *string `envconfig:"VIDBELL_NATS_CREDS"`
	NATSNKey            *string `envconfig:"VIDBELL_NATS_NKEY"`
	NATSTLSCA           *string `envconfig:"VIDBELL_NATS_TLS_CA"`
	NATSTLSCert         *string `envconfig:"VIDBELL_NATS_TLS_CERT"`
	NATSTLSKey          *string `envconfig:"VIDBELL_NATS_TLS_KEY"`
	NATSReplicas        *string `envconfig:"VIDBELL_NATS_REPLICAS"`
	NATSListen          *string `envconfig:"VIDBELL_NATS_LISTEN"`
	NATSListenToken     *string `envconfig:"VIDBELL_NATS_LISTEN_TOKEN"`
	NATSListenTokenFile *string `envconfig:"VIDBELL_NATS_LISTEN_TOKEN_FILE"`

	SubjectPrefix *string `envconfig:"VIDBELL_SUBJECT_PREFIX"`
	Instance      *string `envconfig:"VIDBELL_INSTANCE"`
	Retention     *string `envconfig:"VIDBELL_RETENTION"`
	DataDir       *string `envconfig:"VIDBELL_DATA_DIR"`

	HTTPListen    *string `envconfig:"VIDBELL_HTTP_LISTEN"`
	HTTPToken     *string `envconfig:"VIDBELL_HTTP_TOKEN"`
	HTTPTokenFile *string `envconfig:"VIDBELL_HTTP_TOKEN_FILE"`

	HintSecret     *string `envconfig:"VIDBELL_HINT_SECRET"`
	HintSecretFile *string `envconfig:"VIDBELL_HINT_SECRET_FILE"`

	LogLevel  *string `envconfig:"VIDBELL_LOG_LEVEL"`
	LogFormat *string `envconfig:"VIDBELL_LOG_FORMAT"`
}

// readEnvironment returns the variables that are set to something, by name.
func readEnvironment() (map[string]string, error) {
	var env environment
	if err := envconfig.Process("", &env); err != nil {
		return nil, errors.New("cannot be read") // envconfig's own text repeats the value
	}
	values := make(map[string]string)
	v := reflect.ValueOf(env)
	for i := range v.NumField() {
		if value, _ := v.Field(i).Interface().(*string); value != nil && strings.TrimSpace(*value) != "" {
			values[v.Type().Field(i).Tag.Get("envconfig")] = *value
		}
	}
	return values, nil
}

// load sets the given variables over the defaults, from the environment and, where that says nothing, from the file that it
// names, and notes where each value came from.
func load(variables []Variable, problems *Problems) (*Config, *document) {
	c := unset()
	values, err := readEnvironment()
	problems.AddErr("environment", err)
	var file *document
	if name := strings.TrimSpace(values["VIDBELL_CONFIG"]); name != "" {
		file = openDocument(name, problems)
	}
	for _, v := range variables {
		value, origin := v.lookup(values, problems)
		if path := values[v.FileName()]; v.Secret && path != "" {
			c.files = append(c.files, strings.TrimSpace(path))
		}
		if path := values[v.Name]; v.Name == "VIDBELL_WEBHOOK_TEMPLATE" && path != "" {
			c.files = append(c.files, strings.TrimSpace(path))
		}
		s := Setting{Name: v.Name, Origin: origin}
		switch {
		case origin != OriginDefault:
			if err := v.parse(c, value); err != nil {
				problems.AddErr(v.name(origin), err)
			}
		case file.said(v):
			value, s = file.use(v, c)
		default:
			value = v.Default
			if v.Required && file == nil && problems.none(v.Name, v.FileName()) {
				problems.Add(v.Name, v.missing())
			}
		}
		s.Value = v.show(value)
		c.settings = append(c.settings, s)
	}
	if file != nil {
		file.template(c)
		c.places = file.places
	}
	return c, file
}

// lookup finds the value of a variable: in the environment, or in the file that the environment names.
func (v Variable) lookup(values map[string]string, problems *Problems) (value string, origin Origin) {
	value, set := values[v.Name]
	path, fileSet := values[v.FileName()]
	switch {
	case set && v.Secret && fileSet:
		problems.Addf(v.Name, "%s is set too: unset one of them", v.FileName())
		return value, OriginEnv
	case set:
		return value, OriginEnv
	case v.Secret && fileSet:
		value, err := readSecretFile(strings.TrimSpace(path))
		problems.AddErr(v.FileName(), err)
		if err != nil {
			return "", OriginDefault
		}
		return value, OriginFile
	}
	return "", OriginDefault
}

// name is the variable that a person would have to correct.
func (v Variable) name(origin Origin) string {
	if origin == OriginFile {
		return v.FileName()
	}
	return v.Name
}

func (v Variable) missing() string {
	if v.Secret {
		return "is required: set it, or set " + v.FileName() + " to the path of a file that holds it"
	}
	return "is required"
}

// parse sets the field of a value that is not empty.
func (v Variable) parse(c *Config, value string) error {
	if !v.Secret {
		value = strings.TrimSpace(value)
	}
	if quoted(value) && (v.Type != typeExpression || strings.Count(value, value[:1]) == 2) { // "a" == "b" is not in quotes
		return errors.New("the quote marks are part of the value: write it without them")
	}
	return v.set(c, value)
}

// quoted spots what env files of containers do: they take quotes literally, unlike a shell.
func quoted(value string) bool {
	if len(value) < 2 {
		return false
	}
	first, last := value[0], value[len(value)-1]
	return first == last && (first == '"' || first == '\'')
}

// pipeWait is how long a pipe in place of a file, as shells make for <(command), may take to say its text.
const pipeWait = 10 * time.Second

// readSecretFile returns the text of a file without its one trailing line break.
func readSecretFile(path string) (string, error) {
	text, err := readSmallFile(path, "that is no secret")
	if err != nil {
		return "", err
	}
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	if strings.TrimSpace(text) == "" {
		return "", fmt.Errorf("file %q is empty", path)
	}
	return text, nil
}

// readSmallFile returns the text of a file, or of a pipe in place of one. The remark is what to think of one that is too large.
func readSmallFile(path, remark string) (string, error) { return readFile(path, maxSmallFile, remark) }

func readFile(path string, most int64, remark string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe that nobody writes to would not open
	if err != nil {
		return "", fileError(path, err)
	}
	defer f.Close()                                 //nolint:errcheck // only read
	_ = f.SetReadDeadline(time.Now().Add(pipeWait)) // files have none
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return "", fileError(path, err)
	}
	if int64(len(data)) > most {
		return "", fmt.Errorf("file %q is larger than %d KiB, %s", path, most>>10, remark)
	}
	return string(data), nil
}

// fileError says why a file cannot be read, the path quoted once.
func fileError(path string, err error) error {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	if looksSecret(filepath.Base(path)) {
		return errors.New("is the path of a file, and what stands there looks like the secret itself: name the file, or use the setting without _file")
	}
	return fmt.Errorf("cannot read file %q: %w", path, err)
}
