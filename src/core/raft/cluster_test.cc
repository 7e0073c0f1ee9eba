#include "core/raft/cluster_test.h"

#include <algorithm>
#include <cstring>

namespace millrace::raft {
namespace {

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    std::uint64_t x = a * 0x9e3779b97f4a7c15U ^ (b + 0x7f4a7c15U + (a << 6U) + (a >> 2U));
    return x ^ (x >> 29U);
}

Endpoint endpoint_of(std::int32_t id) {
    return {"CONTROLLER", "localhost", static_cast<std::uint16_t>(9000 + id)};
}

Uuid directory_of(std::int32_t id) { return {1, static_cast<std::uint64_t>(100 + id)}; }

}  // namespace

void Laws::leads(std::int32_t node, std::int32_t epoch) {
    auto [at, first] = leaders_.emplace(epoch, node);
    EXPECT_EQ(at->second, node) << "two leaders in epoch " << epoch;
}

void Laws::votes(std::int32_t voter, std::int32_t epoch, const ReplicaKey& candidate) {
    auto [at, first] = votes_.emplace(std::pair(voter, epoch), candidate.id);
    EXPECT_EQ(at->second, candidate.id) << voter << " votes twice in epoch " << epoch;
}

void Laws::holds(std::int64_t offset, const TestRecord& record) {
    auto [at, first] = histories_.emplace(std::pair(record.epoch, offset), record.history);
    EXPECT_EQ(at->second, record.history)
        << "logs differ up to offset " << offset << " of epoch " << record.epoch;
}

void Laws::committed(std::int64_t offset, const TestRecord& record) {
    if (offset == committed_end()) {
        committed_.push_back(record.history);
    } else if (offset < committed_end()) {
        EXPECT_EQ(committed_history(offset), record.history)
            << "the committed record at " << offset << " was another one";
    } else {
        ADD_FAILURE() << "nothing is known of what was committed before " << offset;
    }
}

TestCluster::TestCluster(ClusterShape shape, std::uint64_t seed) : shape_(shape), random_(seed) {
    for (std::int32_t id = 1; id <= shape.voters + shape.observers; ++id) {
        ids_.push_back(id);
        nodes_[id];
    }
    restart_all();
}

VoterSet TestCluster::voter_set() const {
    std::vector<Voter> voters;
    for (std::int32_t id = 1; id <= shape_.voters; ++id) {
        voters.push_back(
            {{id, shape_.dynamic ? directory_of(id) : Uuid{}}, {endpoint_of(id)}, 0, 1});
    }
    return VoterSet(std::move(voters));
}

Recovered TestCluster::recover(const Node& node) const {
    Recovered found{.state = node.state, .voters = VoterHistory(voter_set())};
    found.log.start = node.start;
    found.log.end = node.end();
    for (std::int64_t offset = node.start; offset < node.end(); ++offset)
        found.log.epochs.assign(node.at(offset).epoch, offset);
    if (node.snapshot) found.log.earliest_snapshot = found.log.latest_snapshot = node.snapshot->at;
    if (!shape_.dynamic) return found;
    found.voters = VoterHistory();
    found.kraft_version = 1;
    if (node.snapshot) {
        found.voters.add(node.snapshot->at.offset - 1, voter_set());
    } else {
        found.log.earliest_snapshot = found.log.latest_snapshot = OffsetAndEpoch{};
        found.voters.add(-1, voter_set());
    }
    std::int64_t from = node.snapshot ? node.snapshot->at.offset : 0;
    for (std::int64_t offset = std::max(node.start, from); offset < node.end(); ++offset) {
        if (node.at(offset).holds_voters) found.voters.add(offset, voter_set());
    }
    return found;
}

void TestCluster::restart(std::int32_t id) {
    Node& node = nodes_.at(id);
    if (node.raft != nullptr) return;
    Options options{.self = {id, shape_.dynamic ? directory_of(id) : Uuid{}},
                    .endpoints = {endpoint_of(id)}};
    if (id > shape_.voters && !shape_.dynamic) options.self.directory = directory_of(id);
    ++node.incarnation;
    node.generation = 1;
    node.high_watermark = -1;
    node.raft = std::make_unique<Raft>(options, recover(node), random_.fork());
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

void TestCluster::snapshot(std::int32_t id) {
    Node& node = nodes_.at(id);
    if (!is_up(id) || node.high_watermark <= node.start) return;
    std::int64_t offset = random_.between(node.start + 1, node.high_watermark);
    const TestRecord& last = node.at(offset - 1);
    node.snapshot = Snapshot{{offset, last.epoch}, last.history};
    node.log.erase(node.log.begin(), node.log.begin() + (offset - node.start));
    node.start = offset;
    node.durable_end = std::max(node.durable_end, offset);
    step(id, SnapshotMade{node.snapshot->at, node.snapshot->at, offset});
}

void TestCluster::step(std::int32_t id, const Event& event) {
    Node& node = nodes_.at(id);
    if (node.raft == nullptr) return;
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
        EXPECT_GE(*to, std::max(node.high_watermark, node.start));
        node.log.resize(static_cast<std::size_t>(*to - node.start));
        node.durable_end = std::min(node.durable_end, *to);
        ++node.generation;
    }
    if (std::holds_alternative<SnapshotFetched>(event) &&
        std::get<SnapshotFetched>(event).snapshot) {
        ++node.generation;
    }
    if (actions.persist) persist(id, *actions.persist);
    if (const auto& start = actions.epoch_start) {
        std::vector<TestRecord> records(
            static_cast<std::size_t>(start->span.end - start->span.base));
        for (TestRecord& record : records) record = {start->span.epoch, ++values_, 0, false};
        records.back().holds_voters = start->voter_set.has_value();
        write(id, start->span, start->generation, records);
    }
    for (const Append& append : actions.appends) {
        std::vector<TestRecord> records = decode(append.records);
        if (append.records.empty()) {
            for (std::int64_t i = append.span.base; i < append.span.end; ++i)
                records.push_back({append.span.epoch, ++values_, 0, false});
        }
        write(id, append.span, append.generation, records);
    }
    if (actions.leadership && actions.leadership->role == Role::leader) {
        laws_.leads(id, actions.leadership->epoch);
        // It has all that was committed before.
        ASSERT_GE(node.end(), laws_.committed_end());
        std::int64_t last = laws_.committed_end() - 1;
        if (last >= node.start) EXPECT_EQ(node.at(last).history, laws_.committed_history(last));
    }
    if (actions.high_watermark) check_high_watermark(id, *actions.high_watermark);
    for (const Send& one : actions.sends) send(id, one);
    for (const Reply& one : actions.replies) answer(id, one);
    if (actions.fetch_snapshot) fetch_snapshot(id, *actions.fetch_snapshot);
}

void TestCluster::write(std::int32_t id, const Span& span, std::uint64_t generation,
                        const std::vector<TestRecord>& records) {
    Node& node = nodes_.at(id);
    ASSERT_EQ(span.base, node.end());
    ASSERT_EQ(span.end - span.base, static_cast<std::int64_t>(records.size()));
    ASSERT_EQ(generation, node.generation);
    for (TestRecord record : records) {
        std::uint64_t before = !node.log.empty() ? node.log.back().history
                               : node.snapshot   ? node.snapshot->history
                                                 : 0;
        record.history = mix(mix(before, record.value), static_cast<std::uint64_t>(record.epoch));
        laws_.holds(node.end(), record);
        node.log.push_back(record);
    }
    later(shape_.longest_sync, [this, id, end = span.end, generation, life = node.incarnation] {
        Node& synced = nodes_.at(id);
        if (synced.raft == nullptr || synced.incarnation != life) return;
        if (synced.generation == generation)
            synced.durable_end = std::max(synced.durable_end, std::min(end, synced.end()));
        step(id, LogDurable{end, generation});
    });
}

void TestCluster::persist(std::int32_t id, const Persist& persist) {
    Node& writing = nodes_.at(id);
    Duration takes = Duration::nanoseconds(random_.between(1, shape_.longest_sync.ns()));
    writing.persisted_at = std::max(writing.persisted_at, now_) + takes;
    events_.emplace(writing.persisted_at, [this, id, persist, life = writing.incarnation] {
        Node& node = nodes_.at(id);
        if (node.raft == nullptr || node.incarnation != life) return;
        node.state = persist.state;
        if (persist.state.voted.id != no_node)
            laws_.votes(id, persist.state.epoch, persist.state.voted);
        step(id, StateDurable{persist.version});
    });
}

bool TestCluster::delivers(std::int32_t from, std::int32_t to) {
    return nodes_.contains(to) && is_up(to) && !cut_.contains({from, to}) &&
           !random_.chance(shape_.loss);
}

void TestCluster::send(std::int32_t id, const Send& send) {
    std::uint64_t life = nodes_.at(id).incarnation;
    later(shape_.longest_delay, [this, id, send, life] {
        if (delivers(id, send.to)) {
            asked_[++tokens_] = {id, life, send.correlation, send.request};
            step(send.to, RequestArrived{tokens_, send.request});
        } else if (random_.chance(0.5) && nodes_.at(id).incarnation == life) {
            step(id, SendFailed{send.to, send.correlation});
        }
    });
}

void TestCluster::answer(std::int32_t id, const Reply& reply) {
    auto at = asked_.find(reply.token);
    ASSERT_NE(at, asked_.end()) << "answered twice";
    Asked asked = std::move(at->second);
    asked_.erase(at);
    Response response = reply.response;
    if (const auto* vote = std::get_if<VoteRequest>(&asked.request)) {
        if (!vote->pre_vote && std::get<VoteResponse>(response).granted) {
            laws_.votes(id, vote->epoch, vote->candidate);
            EXPECT_GE(nodes_.at(id).state.epoch, vote->epoch) << "a promise that is not on disk";
        }
    }
    if (auto* fetched = std::get_if<FetchResponse>(&response)) {
        if (fetched->with_records)
            fill(nodes_.at(id), std::get<FetchRequest>(asked.request), *fetched);
    }
    later(shape_.longest_delay, [this, id, asked, response] {
        if (nodes_.at(asked.from).incarnation != asked.incarnation) return;
        if (delivers(id, asked.from)) {
            step(asked.from, ResponseArrived{id, asked.correlation, response});
        } else if (random_.chance(0.5)) {
            step(asked.from, SendFailed{id, asked.correlation});
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
        if (record.holds_voters) response.control.voters.push_back({offset, voter_set()});
        records.push_back(record);
    }
    response.records = encode(records);
}

void TestCluster::fetch_snapshot(std::int32_t id, const FetchSnapshot& wanted) {
    later(shape_.longest_delay * 4, [this, id, wanted, life = nodes_.at(id).incarnation] {
        Node& node = nodes_.at(id);
        if (node.raft == nullptr || node.incarnation != life) return;
        const Node& source = nodes_.at(wanted.from);
        bool there = source.snapshot && source.snapshot->at == wanted.snapshot;
        if (!there || !delivers(wanted.from, id)) {
            step(id, SnapshotFetched{});
            return;
        }
        node.snapshot = source.snapshot;
        node.log.clear();
        node.start = node.durable_end = node.snapshot->at.offset;
        step(id, SnapshotFetched{node.snapshot->at, voter_set(),
                                 static_cast<std::int16_t>(shape_.dynamic ? 1 : 0)});
    });
}

void TestCluster::check_high_watermark(std::int32_t id, std::int64_t high_watermark) {
    Node& node = nodes_.at(id);
    EXPECT_GT(high_watermark, node.high_watermark) << "it never goes back";
    ASSERT_LE(high_watermark, node.end());
    for (std::int64_t at = std::max(node.start, node.high_watermark); at < high_watermark; ++at)
        laws_.committed(at, node.at(at));
    node.high_watermark = high_watermark;
    if (!node.raft->is_leader() || high_watermark <= node.start) return;
    // On stable storage of a majority, so that all may crash now.
    std::int32_t copies = 0;
    for (std::int32_t voter = 1; voter <= shape_.voters; ++voter) {
        const Node& other = nodes_.at(voter);
        std::int64_t last = high_watermark - 1;
        if (other.start >= high_watermark || (other.durable_end >= high_watermark &&
                                              other.at(last).history == node.at(last).history)) {
            ++copies;
        }
    }
    EXPECT_GT(2 * copies, shape_.voters) << "high watermark " << high_watermark;
}

// What the step function believes of the log is what is there.
void TestCluster::check_log(std::int32_t id) {
    const Node& node = nodes_.at(id);
    const LogFacts& facts = node.raft->log();
    EXPECT_EQ(facts.end, node.end());
    EXPECT_EQ(facts.start, node.start);
    std::int32_t last = !node.log.empty() ? node.log.back().epoch
                        : node.snapshot   ? node.snapshot->at.epoch
                                          : 0;
    EXPECT_EQ(facts.last_epoch(), last) << "node " << id;
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
    if (woken != no_node) {
        step(woken, TimeReached{});
    } else {
        auto what = std::move(events_.begin()->second);
        events_.erase(events_.begin());
        what();
    }
    return !testing::Test::HasFailure();
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
        if (!turn(until)) return holds();
    }
    return true;
}

std::optional<std::int32_t> TestCluster::leader() const {
    std::optional<std::int32_t> found;
    for (const auto& [id, node] : nodes_) {
        if (node.raft == nullptr || !node.raft->is_leader()) continue;
        if (!found || nodes_.at(*found).raft->epoch() < node.raft->epoch()) found = id;
    }
    return found;
}

bool TestCluster::settled() const {
    std::optional<std::int32_t> leading = leader();
    if (!leading) return false;
    const Node& first = nodes_.at(*leading);
    return std::ranges::all_of(nodes_, [&](const auto& entry) {
        const Node& node = entry.second;
        if (node.raft == nullptr) return false;
        Role expected = entry.first == *leading ? Role::leader : Role::follower;
        return node.raft->role() == expected && node.raft->epoch() == first.raft->epoch() &&
               node.raft->leader() == *leading && node.end() == first.end() &&
               node.high_watermark == first.end();
    });
}

std::string TestCluster::describe() const {
    std::string text;
    for (const auto& [id, node] : nodes_) {
        text += fmt::format("{}: ", id);
        if (node.raft == nullptr) {
            text += "down\n";
            continue;
        }
        text += fmt::format("{} epoch {} leader {} log [{},{}) durable {} high watermark {}\n",
                            to_string(node.raft->role()), node.raft->epoch(), node.raft->leader(),
                            node.start, node.end(), node.durable_end, node.high_watermark);
    }
    return text;
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
