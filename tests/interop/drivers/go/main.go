// The franz-go client behind the protocol of harness/drivers.py.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const patience = 60 * time.Second

type record struct {
	Key     string            `json:"key"`
	Value   string            `json:"value"`
	Headers map[string]string `json:"headers"`
}

type command struct {
	Op          string            `json:"op"`
	Bootstrap   string            `json:"bootstrap"`
	Topic       string            `json:"topic"`
	Partitions  int32             `json:"partitions"`
	Configs     map[string]string `json:"configs"`
	Total       int               `json:"total"`
	Records     []record          `json:"records"`
	Codec       string            `json:"codec"`
	Partition   *int32            `json:"partition"`
	Idempotent  *bool             `json:"idempotent"`
	Member      string            `json:"member"`
	Group       string            `json:"group"`
	Instance    string            `json:"instance"`
	Cooperative bool              `json:"cooperative"`
	Protocol    string            `json:"protocol"`
	Set         map[string]string `json:"set"`
	Delete      []string          `json:"delete"`
	Before      int64             `json:"before"`
	Spec        any               `json:"spec"`
}

type driver struct {
	bootstrap string
	client    *kgo.Client
	admin     *kadm.Client
	members   map[string]*member
}

func main() {
	d := driver{members: map[string]*member{}}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var c command
		answer := map[string]any{}
		err := json.Unmarshal(lines.Bytes(), &c)
		if err == nil {
			answer["result"], err = d.run(c)
		}
		if err != nil {
			answer = map[string]any{"error": err.Error()}
		}
		if err := answers.Encode(answer); err != nil {
			panic(err)
		}
	}
}

func (d *driver) run(c command) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	switch c.Op {
	case "abilities":
		return map[string]any{
			"codecs": []string{"none", "gzip", "snappy", "lz4", "zstd"},
			"can": []string{"groups", "static", "cooperative", "idempotent", "configs",
				"delete_records", "list_offsets", "partitions", "group_admin", "headers",
				"partitioner", "consumer_protocol"},
		}, nil
	case "connect":
		return true, d.connect(c)
	case "produce":
		return d.produce(ctx, c)
	case "join":
		return true, d.join(c)
	case "assignment":
		return d.members[c.Member].assignment(), nil
	case "received":
		return d.members[c.Member].received(), nil
	case "commit":
		return true, d.members[c.Member].client.CommitUncommittedOffsets(ctx)
	case "leave":
		d.members[c.Member].leave()
		delete(d.members, c.Member)
		return true, nil
	}
	return d.administer(ctx, c)
}

func (d *driver) administer(ctx context.Context, c command) (any, error) {
	switch c.Op {
	case "create_topic":
		configs := map[string]*string{}
		for name, value := range c.Configs {
			configs[name] = &value
		}
		_, err := d.admin.CreateTopic(ctx, c.Partitions, 1, configs, c.Topic)
		return true, err
	case "list_topics":
		topics, err := d.admin.ListTopics(ctx)
		return topics.Names(), err
	case "create_partitions":
		answer, err := d.admin.UpdatePartitions(ctx, c.Total, c.Topic)
		return true, errors.Join(err, answer.Error())
	case "delete_topic":
		answer, err := d.admin.DeleteTopics(ctx, c.Topic)
		return true, errors.Join(err, answer.Error())
	case "committed":
		return d.committed(ctx, c)
	case "describe_configs":
		return d.describeConfigs(ctx, c)
	case "alter_configs":
		return true, d.alterConfigs(ctx, c)
	case "delete_records":
		before := kadm.Offsets{}
		before.Add(kadm.Offset{Topic: c.Topic, Partition: *c.Partition, At: c.Before})
		answer, err := d.admin.DeleteRecords(ctx, before)
		one, _ := answer.Lookup(c.Topic, *c.Partition)
		return one.LowWatermark, errors.Join(err, answer.Error())
	case "list_offsets":
		return d.listOffsets(ctx, c)
	case "list_groups":
		groups, err := d.admin.ListGroups(ctx)
		return groups.Groups(), err
	case "describe_group":
		groups, err := d.admin.DescribeGroups(ctx, c.Group)
		one := groups[c.Group]
		return map[string]any{"state": one.State, "members": len(one.Members)},
			errors.Join(err, one.Err)
	case "delete_group":
		answer, err := d.admin.DeleteGroup(ctx, c.Group)
		return true, errors.Join(err, answer.Err)
	}
	return nil, fmt.Errorf("unknown op %q", c.Op)
}

func (d *driver) connect(c command) error {
	if d.client != nil {
		d.client.Close()
	}
	var err error
	d.bootstrap = c.Bootstrap
	d.client, err = kgo.NewClient(kgo.SeedBrokers(c.Bootstrap))
	d.admin = kadm.NewClient(d.client)
	return err
}

func codec(name string) kgo.CompressionCodec {
	switch name {
	case "gzip":
		return kgo.GzipCompression()
	case "snappy":
		return kgo.SnappyCompression()
	case "lz4":
		return kgo.Lz4Compression()
	case "zstd":
		return kgo.ZstdCompression()
	}
	return kgo.NoCompression()
}

func (d *driver) produce(ctx context.Context, c command) (any, error) {
	options := []kgo.Opt{kgo.SeedBrokers(d.bootstrap), kgo.ProducerBatchCompression(codec(c.Codec))}
	if c.Partition != nil {
		options = append(options, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	}
	if c.Idempotent != nil && !*c.Idempotent {
		options = append(options, kgo.DisableIdempotentWrite(),
			kgo.MaxProduceRequestsInflightPerBroker(1))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	records := make([]*kgo.Record, 0, len(c.Records))
	for _, one := range c.Records {
		made := &kgo.Record{Topic: c.Topic, Key: []byte(one.Key), Value: []byte(one.Value)}
		if c.Partition != nil {
			made.Partition = *c.Partition
		}
		for name, value := range one.Headers {
			made.Headers = append(made.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
		}
		records = append(records, made)
	}
	results := client.ProduceSync(ctx, records...)
	placed := make([][]int64, 0, len(records))
	for _, one := range records {
		placed = append(placed, []int64{int64(one.Partition), one.Offset})
	}
	return placed, results.FirstErr()
}

func (d *driver) committed(ctx context.Context, c command) (any, error) {
	found, err := d.admin.FetchOffsets(ctx, c.Group)
	out := map[string]int64{}
	found.Each(func(one kadm.OffsetResponse) {
		out[fmt.Sprintf("%s-%d", one.Topic, one.Partition)] = one.At
	})
	return out, errors.Join(err, found.Error())
}

func (d *driver) describeConfigs(ctx context.Context, c command) (any, error) {
	found, err := d.admin.DescribeTopicConfigs(ctx, c.Topic)
	if err != nil {
		return nil, err
	}
	one, err := found.On(c.Topic, nil)
	out := map[string]string{}
	for _, entry := range one.Configs {
		out[entry.Key] = entry.MaybeValue()
	}
	return out, errors.Join(err, one.Err)
}

func (d *driver) alterConfigs(ctx context.Context, c command) error {
	var steps []kadm.AlterConfig
	for name, value := range c.Set {
		steps = append(steps, kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: &value})
	}
	for _, name := range c.Delete {
		steps = append(steps, kadm.AlterConfig{Op: kadm.DeleteConfig, Name: name})
	}
	answer, err := d.admin.AlterTopicConfigs(ctx, steps, c.Topic)
	for _, one := range answer {
		err = errors.Join(err, one.Err)
	}
	return err
}

func (d *driver) listOffsets(ctx context.Context, c command) (any, error) {
	var found kadm.ListedOffsets
	var err error
	switch spec := c.Spec.(type) {
	case string:
		if spec == "earliest" {
			found, err = d.admin.ListStartOffsets(ctx, c.Topic)
		} else {
			found, err = d.admin.ListEndOffsets(ctx, c.Topic)
		}
	case float64:
		// A time after all records gives the end; kadm asks twice to tell so.
		found, err = d.admin.ListOffsetsAfterMilli(ctx, int64(spec), c.Topic)
		end, endErr := d.admin.ListEndOffsets(ctx, c.Topic)
		one, _ := found.Lookup(c.Topic, *c.Partition)
		last, _ := end.Lookup(c.Topic, *c.Partition)
		if one.Offset == last.Offset {
			return -1, errors.Join(err, endErr)
		}
	}
	one, _ := found.Lookup(c.Topic, *c.Partition)
	return one.Offset, errors.Join(err, found.Error())
}

// member is a group member with the goroutine that polls it.
type member struct {
	client *kgo.Client
	done   chan struct{}
	lock   sync.Mutex
	got    [][]any
	held   map[string]bool
}

func (d *driver) join(c command) error {
	m := &member{done: make(chan struct{}), held: map[string]bool{}}
	note := func(hold bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, moved map[string][]int32) {
			m.lock.Lock()
			defer m.lock.Unlock()
			for topic, partitions := range moved {
				for _, partition := range partitions {
					name := fmt.Sprintf("%s-%d", topic, partition)
					if hold {
						m.held[name] = true
					} else {
						delete(m.held, name)
					}
				}
			}
		}
	}
	balancer := kgo.RangeBalancer()
	if c.Cooperative {
		balancer = kgo.CooperativeStickyBalancer()
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(d.bootstrap), kgo.ConsumerGroup(c.Group), kgo.ConsumeTopics(c.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
		kgo.Balancers(balancer), kgo.SessionTimeout(10 * time.Second),
		kgo.HeartbeatInterval(300 * time.Millisecond),
		kgo.OnPartitionsAssigned(note(true)), kgo.OnPartitionsRevoked(note(false)),
		kgo.OnPartitionsLost(note(false)),
	}
	if c.Instance != "" {
		options = append(options, kgo.InstanceID(c.Instance))
	}
	if c.Protocol == "consumer" {
		options = append(options, kgo.WithContext(context.WithValue(
			context.Background(), "opt_in_kafka_next_gen_balancer_beta", true)))
	}
	var err error
	if m.client, err = kgo.NewClient(options...); err != nil {
		return err
	}
	d.members[c.Member] = m
	go m.poll()
	return nil
}

func (m *member) poll() {
	defer close(m.done)
	for {
		fetches := m.client.PollFetches(context.Background())
		if fetches.IsClientClosed() {
			return
		}
		fetches.EachError(func(topic string, partition int32, err error) {
			fmt.Fprintln(os.Stderr, topic, partition, err)
		})
		m.lock.Lock()
		fetches.EachRecord(func(one *kgo.Record) {
			headers := map[string]string{}
			for _, header := range one.Headers {
				headers[header.Key] = string(header.Value)
			}
			m.got = append(m.got, []any{one.Topic, one.Partition, one.Offset, string(one.Key),
				string(one.Value), headers})
		})
		m.lock.Unlock()
	}
}

func (m *member) assignment() []string {
	m.lock.Lock()
	defer m.lock.Unlock()
	names := make([]string, 0, len(m.held))
	for name := range m.held {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func (m *member) received() [][]any {
	m.lock.Lock()
	defer m.lock.Unlock()
	return append([][]any{}, m.got...)
}

func (m *member) leave() {
	m.client.Close()
	<-m.done
}
