#include "core/raft/cluster_test.h"

#include <algorithm>
#include <cstring>

namespace millrace::raft {
namespace {

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    std::uint64_t x = a * 0x9e3779b97f4a7c15U ^ (b + 0x7f4a7c15U + (a << 6U) + (a >> 2U));
    return x ^ (x >> 29U);
}

// Many times what a quorum takes in all the time that a test gives it.
constexpr std::uint64_t most_turns = 2'000'000;
constexpr std::int32_t first_port = 9000;
constexpr std::int32_t ports_of_a_move = 100;

std::vector<Endpoint> endpoints_of(std::int32_t id, int moves) {
    return {{"CONTROLLER", "localhost",
             static_cast<std::uint16_t>(first_port + id + moves * ports_of_a_move)}};
}

}  // namespace

TestCluster::TestCluster(ClusterShape shape, std::uint64_t seed) : shape_(shape), random_(seed) {
    for (std::int32_t id = 1; id <= shape.voters + shape.observers; ++id) {
        ids_.push_back(id);
        nodes_[id].directory = {1, static_cast<std::uint64_t>(100 + id)};
        nodes_[id].knows_voters = !shape.dynamic || id <= shape.voters;
    }
    voter_sets_ = {VoterSet(), initial_voters()};
    restart_all();
}

VoterSet TestCluster::initial_voters() const {
    std::vector<Voter> voters;
    for (std::int32_t id = 1; id <= shape_.voters; ++id) {
        Uuid directory = shape_.dynamic ? nodes_.at(id).directory : Uuid{};
        voters.push_back({{id, directory}, endpoints_of(id, 0), 0, dynamic_voters});
    }
    return VoterSet(std::move(voters));
}

std::int32_t TestCluster::heard_at(const std::vector<Endpoint>& endpoints) const {
    if (endpoints.empty()) return no_node;
    std::int32_t id = (endpoints.front().port - first_port) % ports_of_a_move;
    return nodes_.contains(id) ? id : no_node;
}

std::uint32_t TestCluster::name(const VoterSet& voters) {
    voter_sets_.push_back(voters);
    return static_cast<std::uint32_t>(voter_sets_.size() - 1);
}

Recovered TestCluster::recover(std::int32_t id) const {
    const Node& node = nodes_.at(id);
    Recovered found{.state = node.state};
    found.log.start = node.start;
    found.log.end = node.end();
    for (std::int64_t offset = node.start; offset < node.end(); ++offset)
        found.log.epochs.assign(node.at(offset).epoch, offset);
    if (!shape_.dynamic) found.voters = VoterHistory(voter_sets_.at(1));
    if (node.snapshot) {
        const Snapshot& snapshot = *node.snapshot;
        found.log.earliest_snapshot = found.log.latest_snapshot = snapshot.at;
        if (snapshot.kraft_version >= dynamic_voters) {
            found.voters.add(snapshot.at.offset - 1, snapshot.voters);
            found.kraft_versions.add(snapshot.at.offset - 1, snapshot.kraft_version);
        }
    } else if (shape_.dynamic && node.knows_voters) {
        found.log.earliest_snapshot = found.log.latest_snapshot = OffsetAndEpoch{};
        found.voters.add(-1, voter_sets_.at(1));
        found.kraft_versions.add(-1, dynamic_voters);
    }
    for (std::int64_t offset = node.start; offset < node.end(); ++offset) {
        const TestRecord& record = node.at(offset);
        if (record.voters != 0) found.voters.add(offset, voter_sets_.at(record.voters));
        if (record.kraft_version >= 0) found.kraft_versions.add(offset, record.kraft_version);
    }
    return found;
}

void TestCluster::restart(std::int32_t id) {
    Node& node = nodes_.at(id);
    if (node.raft != nullptr) return;
    Options options{.self = key_of(id), .endpoints = endpoints_of(id, node.moves)};
    options.auto_join = shape_.auto_join;
    if (shape_.dynamic) {
        for (std::int32_t each : ids_) options.bootstrap.push_back(endpoints_of(each, 0).front());
    }
    ++node.incarnation;
    node.generation = 1;
    node.high_watermark = -1;
    node.raft = std::make_unique<Raft>(options, recover(id), random_.fork(), *shape_.rules);
    step(id, TimeReached{});
}

void TestCluster::restart_all() {
    for (std::int32_t id : ids_) restart(id);
}

// What was not synced is lost, or some of it, or nothing.
void TestCluster::crash(std::int32_t id) {
    Node& node = nodes_.at(id);
    if (node.raft == nullptr) return;
    node.raft.reset();
    node.wake = Time::never();
    std::int64_t kept = random_.between(node.durable_end, node.end());
    node.log.resize(static_cast<std::size_t>(kept - node.start));
    node.durable_end = kept;
}

bool TestCluster::is_free(std::int32_t id) const {
    for (const auto& [other, node] : nodes_) {
        std::int64_t from = std::min(node.end(), laws_.committed_end());
        if (voters_in_log(node, from).find(id) != nullptr) return false;
        for (std::int64_t at = std::max(node.start, from); at < node.end(); ++at) {
            if (voter_sets_.at(node.at(at).voters).find(id) != nullptr) return false;
        }
    }
    return true;
}

void TestCluster::wipe(std::int32_t id) {
    Node& node = nodes_.at(id);
    if (node.raft != nullptr) return;
    node.directory = {2, ++directories_};
    node.knows_voters = !shape_.dynamic;
    node.state = {};
    node.start = node.durable_end = 0;
    node.log.clear();
    node.snapshot.reset();
}

void TestCluster::move(std::int32_t id) {
    if (!is_up(id) && nodes_.at(id).moves < 9) ++nodes_.at(id).moves;
}

void TestCluster::isolate(std::int32_t id) {
    for (std::int32_t other : ids_) {
        if (other == id) continue;
        cut(id, other);
        cut(other, id);
    }
}

void TestCluster::append(std::int32_t id, std::int32_t count) {
    if (is_up(id)) step(id, AppendRequested{count});
}

void TestCluster::resign(std::int32_t id) {
    if (is_up(id)) step(id, ResignRequested{});
}

void TestCluster::raise_kraft_version(std::int32_t leader) {
    if (is_up(leader)) step(leader, KRaftVersionRaised{dynamic_voters});
}

void TestCluster::ask(std::int32_t id, Request request) {
    if (!is_up(id)) return;
    last_answer_.reset();
    asked_[++tokens_] = {.request = request};
    step(id, RequestArrived{tokens_, std::move(request)});
}

void TestCluster::add_voter(std::int32_t leader, std::int32_t id, bool ack_when_committed) {
    Voter voter{key_of(id), endpoints_of(id, nodes_.at(id).moves), 0, 0};
    ask(leader, AddVoterRequest{std::move(voter), ack_when_committed});
}

void TestCluster::remove_voter(std::int32_t leader, std::int32_t id) {
    const Voter* voter = is_up(leader) ? raft(leader)->voters().find(id) : nullptr;
    bool named = voter != nullptr && !voter->key.directory.is_zero();
    ask(leader, RemoveVoterRequest{named ? voter->key : key_of(id)});
}

void TestCluster::give_up_leader(std::int32_t id) {
    if (!is_up(id)) return;
    Node& node = nodes_.at(id);
    if (node.raft->role() == Role::follower) node.told_of_end = true;
    step(id, LeaderGone{node.raft->leader(), node.raft->epoch()});
}

void TestCluster::snapshot(std::int32_t id, bool whole) {
    Node& node = nodes_.at(id);
    if (!is_up(id) || node.high_watermark <= node.start) return;
    std::int64_t first = whole ? node.high_watermark : node.start + 1;
    std::int64_t offset = random_.between(first, node.high_watermark);
    const TestRecord& last = node.at(offset - 1);
    node.snapshot = Snapshot{{offset, last.epoch},
                             last.history,
                             node.raft->voters_at(offset),
                             node.raft->kraft_version_at(offset)};
    laws_.expect(node.snapshot->voters == voters_in_log(node, offset),
                 "{} puts other voters into its snapshot {} than held then", id, offset);
    node.log.erase(node.log.begin(), node.log.begin() + (offset - node.start));
    node.start = offset;
    node.durable_end = std::max(node.durable_end, offset);
    step(id, SnapshotMade{node.snapshot->at, node.snapshot->at, offset});
}

void TestCluster::step(std::int32_t id, const Event& event) {
    Node& node = nodes_.at(id);
    if (node.raft == nullptr || !broken().empty()) return;
    Actions actions = node.raft->step(event, now_);
    node.wake = actions.wake_at;
    if (trace_ != nullptr && !actions.empty()) {
        std::string text = to_string(actions);
        for (std::size_t at = 0; at < text.size();) {
            std::size_t end = text.find('\n', at);
            *trace_ += fmt::format("{}: {}\n", id, text.substr(at, end - at));
            at = end + 1;
        }
    }
    carry_out(id, event, std::move(actions));
    check_log(id);
}

void TestCluster::carry_out(std::int32_t id, const Event& event, Actions actions) {
    Node& node = nodes_.at(id);
    if (const auto& to = actions.truncate_to) {
        check_cut(id, *to);
        if (!broken().empty()) return;
        node.log.resize(static_cast<std::size_t>(*to - node.start));
        node.durable_end = std::min(node.durable_end, *to);
        ++node.generation;
    }
    if (std::holds_alternative<SnapshotFetched>(event) &&
        std::get<SnapshotFetched>(event).snapshot) {
        ++node.generation;
    }
    if (actions.persist) persist(id, *actions.persist);
    write_control(id, actions);
    for (const Append& append : actions.appends) {
        std::vector<TestRecord> records = decode(append.records);
        if (append.records.empty()) {
            for (std::int64_t i = append.span.base; i < append.span.end; ++i)
                records.push_back({.epoch = append.span.epoch, .value = ++values_});
        }
        write(id, append.span, append.generation, records);
    }
    if (actions.leadership) check_leadership(id, *actions.leadership);
    if (actions.high_watermark) check_high_watermark(id, *actions.high_watermark);
    check_told(id);
    for (const Send& one : actions.sends) send(id, one);
    for (const Reply& one : actions.replies) answer(id, one);
    if (actions.fetch_snapshot) fetch_snapshot(id, *actions.fetch_snapshot);
}

// What a leader writes of its own accord.
void TestCluster::write_control(std::int32_t id, const Actions& actions) {
    auto records_of = [&](const Span& span) {
        std::vector<TestRecord> records(static_cast<std::size_t>(span.end - span.base));
        for (TestRecord& record : records) record = {.epoch = span.epoch, .value = ++values_};
        return records;
    };
    if (const auto& start = actions.epoch_start) {
        std::vector<TestRecord> records = records_of(start->span);
        if (start->voter_set) {
            records.at(1).kraft_version = start->kraft_version;
            records.at(2).voters = name(*start->voter_set);
        }
        write(id, start->span, start->generation, records);
    }
    if (const auto& change = actions.voters_record) {
        check_voters_record(id, *change);
        nodes_.at(id).voters_since = now_;
        std::vector<TestRecord> records = records_of(change->span);
        if (change->kraft_version) records.front().kraft_version = *change->kraft_version;
        records.back().voters = name(change->voters);
        write(id, change->span, change->generation, records);
    }
}

void TestCluster::write(std::int32_t id, const Span& span, std::uint64_t generation,
                        const std::vector<TestRecord>& records) {
    Node& node = nodes_.at(id);
    bool fits = span.base == node.end() &&
                span.end - span.base == static_cast<std::int64_t>(records.size()) &&
                generation == node.generation;
    laws_.expect(fits, "{} appends [{},{}) of generation {} to a log that ends at {}", id,
                 span.base, span.end, generation, node.end());
    if (!fits) return;
    for (TestRecord record : records) {
        std::uint64_t before = !node.log.empty() ? node.log.back().history
                               : node.snapshot   ? node.snapshot->history
                                                 : 0;
        record.history = mix(mix(before, record.value), static_cast<std::uint64_t>(record.epoch));
        laws_.holds(node.end(), record);
        node.log.push_back(record);
    }
    auto synced = [this, id, end = span.end, generation, life = node.incarnation] {
        Node& writer = nodes_.at(id);
        if (writer.raft == nullptr || writer.incarnation != life) return;
        if (writer.generation == generation)
            writer.durable_end = std::max(writer.durable_end, std::min(end, writer.end()));
        step(id, LogDurable{end, generation});
    };
    later(shape_.longest_sync, synced);
    if (!shape_.tells_before_sync) return;
    events_.emplace(
        now_, [this, id, end = span.end, generation] { step(id, LogDurable{end, generation}); });
}

void TestCluster::persist(std::int32_t id, const Persist& persist) {
    Node& writing = nodes_.at(id);
    Duration takes = Duration::nanoseconds(random_.between(1, shape_.longest_sync.ns()));
    writing.persisted_at = std::max(writing.persisted_at, now_) + takes;
    events_.emplace(writing.persisted_at, [this, id, persist, life = writing.incarnation] {
        Node& node = nodes_.at(id);
        if (node.raft == nullptr || node.incarnation != life) return;
        bool forgotten = shape_.forgets_epochs && persist.state.voted.id == no_node;
        if (!forgotten) node.state = persist.state;
        if (persist.state.voted.id != no_node)
            laws_.votes(key_of(id), persist.state.epoch, persist.state.voted);
        step(id, StateDurable{persist.version});
    });
}

bool TestCluster::delivers(std::int32_t from, std::int32_t to) {
    return nodes_.contains(to) && is_up(to) && !cut_.contains({from, to}) &&
           !random_.chance(shape_.loss);
}

void TestCluster::send(std::int32_t id, const Send& send) {
    check_request(id, send.request);
    std::uint64_t life = nodes_.at(id).incarnation;
    later(shape_.longest_delay, [this, id, send, life] {
        std::int32_t to = heard_at(send.endpoints);
        if (delivers(id, to)) {
            asked_[++tokens_] = {id, life, send.to, send.correlation, send.request};
            Node& heard = nodes_.at(to);
            if (std::holds_alternative<EndEpochRequest>(send.request)) heard.told_of_end = true;
            if (std::holds_alternative<FetchRequest>(send.request)) heard.heard[id] = now_;
            step(to, RequestArrived{tokens_, send.request});
        } else if (random_.chance(0.5) && nodes_.at(id).incarnation == life) {
            step(id, SendFailed{send.to, send.correlation});
        }
    });
}

void TestCluster::answer(std::int32_t id, const Reply& reply) {
    auto at = asked_.find(reply.token);
    laws_.expect(at != asked_.end(), "{} answers twice", id);
    if (at == asked_.end()) return;
    Asked asked = std::move(at->second);
    asked_.erase(at);
    Response response = reply.response;
    check_answer(id, asked.request, response);
    if (asked.from == no_node) {
        last_answer_ = std::get<VoterChangeResponse>(response);
        return;
    }
    if (auto* fetched = std::get_if<FetchResponse>(&response)) {
        if (fetched->with_records)
            fill(nodes_.at(id), std::get<FetchRequest>(asked.request), *fetched);
    }
    later(shape_.longest_delay, [this, id, asked, response] {
        if (nodes_.at(asked.from).incarnation != asked.incarnation) return;
        if (delivers(id, asked.from)) {
            step(asked.from, ResponseArrived{asked.to, asked.correlation, response});
        } else if (random_.chance(0.5)) {
            step(asked.from, SendFailed{asked.to, asked.correlation});
        }
    });
}

void TestCluster::fill(const Node& leader, const FetchRequest& request, FetchResponse& response) {
    std::int64_t base = request.from.offset;
    if (base < leader.start) return;
    std::int64_t end = std::min(leader.end(), base + random_.between(1, 8));
    std::vector<TestRecord> records;
    for (std::int64_t offset = base; offset < end; ++offset) {
        const TestRecord& record = leader.at(offset);
        if (response.spans.empty() || response.spans.back().epoch != record.epoch)
            response.spans.push_back({offset, offset, record.epoch});
        response.spans.back().end = offset + 1;
        if (record.voters != 0)
            response.control.voters.push_back({offset, voter_sets_.at(record.voters)});
        if (record.kraft_version >= 0)
            response.control.kraft_versions.push_back({offset, record.kraft_version});
        records.push_back(record);
    }
    response.records = encode(records);
}

void TestCluster::fetch_snapshot(std::int32_t id, const FetchSnapshot& wanted) {
    std::uint64_t life = nodes_.at(id).incarnation;
    later(shape_.longest_delay * 4, [this, id, wanted, life, epoch = raft(id)->epoch()] {
        Node& node = nodes_.at(id);
        if (node.raft == nullptr || node.incarnation != life) return;
        bool wants = node.raft->fetching_snapshot() && node.raft->epoch() == epoch &&
                     node.raft->leader() == wanted.from;
        if (!wants) return;  // as the driver does
        std::int32_t from = heard_at(wanted.endpoints);
        const Node* source = from == no_node ? nullptr : &nodes_.at(from);
        bool there =
            source != nullptr && source->snapshot && source->snapshot->at == wanted.snapshot;
        if (!there || !delivers(from, id)) return step(id, SnapshotFetched{});
        node.snapshot = source->snapshot;
        node.log.clear();
        node.start = node.durable_end = node.snapshot->at.offset;
        std::optional<VoterSet> voters;
        if (node.snapshot->kraft_version >= dynamic_voters) voters = node.snapshot->voters;
        step(id, SnapshotFetched{node.snapshot->at, voters, node.snapshot->kraft_version});
    });
}

void TestCluster::later(Duration at_most, std::function<void()> what) {
    events_.emplace(now_ + Duration::nanoseconds(random_.between(1, at_most.ns())),
                    std::move(what));
}

bool TestCluster::turn(Time until) {
    std::int32_t woken = no_node;
    Time next = events_.empty() ? Time::never() : events_.begin()->first;
    for (const auto& [id, node] : nodes_) {
        if (node.wake < next) {
            next = node.wake;
            woken = id;
        }
    }
    if (next > until) return false;
    now_ = std::max(now_, next);
    laws_.expect(++turns_ <= most_turns, "{} steps, and no end", most_turns);
    if (woken != no_node) {
        step(woken, TimeReached{});
    } else {
        auto what = std::move(events_.begin()->second);
        events_.erase(events_.begin());
        what();
    }
    return broken().empty();
}

void TestCluster::run_for(Duration time) {
    Time until = now_ + time;
    while (turn(until)) {
    }
    now_ = std::max(now_, until);
}

bool TestCluster::run_until(const std::function<bool()>& holds, Duration at_most) {
    Time until = now_ + at_most;
    while (!holds()) {
        if (!turn(until)) return broken().empty() && holds();
    }
    return true;
}

std::vector<TestRecord> TestCluster::decode(const Slice& bytes) {
    std::vector<TestRecord> records(bytes.size() / sizeof(TestRecord));
    if (!records.empty()) std::memcpy(records.data(), bytes.data(), bytes.size());
    return records;
}

Slice TestCluster::encode(const std::vector<TestRecord>& records) {
    return Slice::copy(std::string_view(reinterpret_cast<const char*>(records.data()),
                                        records.size() * sizeof(TestRecord)));
}

}  // namespace millrace::raft
