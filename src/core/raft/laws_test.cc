#include "core/raft/laws_test.h"

#include <algorithm>
#include <utility>

#include "core/raft/cluster_test.h"

namespace millrace::raft {
namespace {

// -1 for what has none.
std::int32_t epoch_of(const auto& message) {
    if constexpr (requires { message.epoch; }) {
        return message.epoch;
    } else if constexpr (requires { message.answer; }) {
        return message.answer.epoch;
    } else {
        return -1;
    }
}

}  // namespace

void Laws::leads(std::int32_t node, std::int32_t epoch) {
    auto [at, first] = leaders_.emplace(epoch, node);
    expect(at->second == node, "{} and {} lead in epoch {}", at->second, node, epoch);
}

void Laws::votes(const ReplicaKey& voter, std::int32_t epoch, const ReplicaKey& candidate) {
    auto [at, first] = votes_.emplace(std::pair(voter, epoch), candidate.id);
    expect(at->second == candidate.id, "{} votes for {} and for {} in epoch {}", voter.id,
           at->second, candidate.id, epoch);
}

void Laws::holds(std::int64_t offset, const TestRecord& record) {
    auto [at, first] = histories_.emplace(std::pair(record.epoch, offset), record.history);
    expect(at->second == record.history, "logs differ up to offset {} of epoch {}", offset,
           record.epoch);
}

void Laws::committed(std::int64_t offset, const TestRecord& record) {
    expect(offset <= committed_end(), "nothing is known of what was committed before {}", offset);
    if (offset == committed_end()) committed_.push_back(record.history);
    if (offset < committed_end()) {
        expect(committed_history(offset) == record.history,
               "the committed record at {} was another one", offset);
    }
}

void TestCluster::check_epoch(std::int32_t id, std::int32_t told) {
    laws_.expect(nodes_.at(id).state.epoch >= told, "{} tells of epoch {}, which it may forget", id,
                 told);
}

// What counts for a log that ends at `end`.
const VoterSet& TestCluster::voters_in_log(const Node& node, std::int64_t end) const {
    for (std::int64_t at = std::min(end, node.end()) - 1; at >= node.start; --at) {
        if (node.at(at).voters != 0) return voter_sets_.at(node.at(at).voters);
    }
    if (node.snapshot) return node.snapshot->voters;
    return voter_sets_.at(node.knows_voters ? 1 : 0);
}

// On stable storage, so that all may crash now.
std::size_t TestCluster::copies(const VoterSet& voters, std::int64_t end,
                                std::uint64_t history) const {
    std::size_t found = 0;
    for (const auto& [id, node] : nodes_) {
        if (!voters.contains(key_of(id))) continue;
        bool in_snapshot = node.start >= end;
        bool in_log =
            !in_snapshot && node.durable_end >= end && node.at(end - 1).history == history;
        if (in_snapshot || in_log) ++found;
    }
    return found;
}

void TestCluster::check_leadership(std::int32_t id, const Leadership& leadership) {
    Node& node = nodes_.at(id);
    node.told_of_end = false;
    if (leadership.role != Role::leader) return;
    laws_.leads(id, leadership.epoch);
    node.voters_since = now_;
    node.heard.clear();
    // It has all that was committed before.
    std::int64_t last = laws_.committed_end() - 1;
    laws_.expect(node.end() > last, "{} leads, and lacks what is committed", id);
    if (last < node.start || last >= node.end()) return;
    laws_.expect(node.at(last).history == laws_.committed_history(last),
                 "{} leads, and has another record at {} than is committed", id, last);
}

// Apache's replicas end when they are told of a lower one than before.
void TestCluster::check_told(std::int32_t id) {
    Node& node = nodes_.at(id);
    std::optional<std::int64_t> told = node.raft->leader_high_watermark();
    if (std::exchange(node.told_high_watermark, told) == told || !told) return;
    laws_.expect(std::min(*told, node.end()) >= node.high_watermark,
                 "{} is told that the high watermark is {}, which was {}", id, *told,
                 node.high_watermark);
}

void TestCluster::check_high_watermark(std::int32_t id, std::int64_t high_watermark) {
    Node& node = nodes_.at(id);
    laws_.expect(high_watermark > node.high_watermark, "the high watermark of {} goes back", id);
    laws_.expect(high_watermark <= node.end(), "the high watermark of {} is behind its log", id);
    if (!broken().empty()) return;
    for (std::int64_t at = std::max(node.start, node.high_watermark); at < high_watermark; ++at)
        laws_.committed(at, node.at(at));
    node.high_watermark = high_watermark;
    if (!node.raft->is_leader() || high_watermark <= node.start) return;
    laws_.expect(node.at(high_watermark - 1).epoch == node.raft->epoch(),
                 "{} commits records of earlier epochs by themselves", id);
    const VoterSet& voters = voters_in_log(node, node.end());
    std::size_t found = copies(voters, high_watermark, node.at(high_watermark - 1).history);
    laws_.expect(found >= voters.majority(),
                 "{} of {} voters have what is below {}, committed by {}", found, voters.size(),
                 high_watermark, id);
}

// Only what its leader does not have goes.
void TestCluster::check_cut(std::int32_t id, std::int64_t end) {
    const Node& node = nodes_.at(id);
    laws_.expect(end >= std::max(node.high_watermark, node.start), "{} cuts off what is committed",
                 id);
    laws_.expect(end < node.end(), "{} cuts off nothing, and asks for the same again", id);
    auto leader = nodes_.find(node.raft->leader());
    if (leader == nodes_.end() || leader->second.raft == nullptr || end >= node.end()) return;
    const Node& leads = leader->second;
    if (!leads.raft->is_leader() || leads.raft->epoch() != node.raft->epoch()) return;
    bool both = end >= node.start && end >= leads.start && end < leads.end();
    laws_.expect(!both || leads.at(end).history != node.at(end).history,
                 "{} cuts off what its leader has at {}", id, end);
}

// What a replica says it has is on its disk, and so are the epochs that it speaks of.
void TestCluster::check_request(std::int32_t id, const Request& request) {
    check_epoch(id, std::visit([](const auto& asked) { return epoch_of(asked); }, request));
    const auto* fetch = std::get_if<FetchRequest>(&request);
    if (fetch == nullptr) return;
    laws_.expect(fetch->from.offset <= nodes_.at(id).durable_end,
                 "{} says that it has more than is on its disk", id);
}

void TestCluster::check_answer(std::int32_t id, const Request& request, const Response& response) {
    check_epoch(id, std::visit([](const auto& told) { return epoch_of(told); }, response));
    const auto* vote = std::get_if<VoteRequest>(&request);
    if (vote == nullptr || !std::get<VoteResponse>(response).granted) return;
    const Node& node = nodes_.at(id);
    laws_.expect(vote->last >= node.last(), "{} helps one whose log is behind its own", id);
    if (!vote->pre_vote) {
        laws_.votes(key_of(id), vote->epoch, vote->candidate);
        laws_.expect(node.state.epoch >= vote->epoch, "{} promises what is not on its disk", id);
        return;
    }
    bool hears = node.raft->role() == Role::follower && !node.told_of_end &&
                 node.raft->leader_high_watermark().has_value();
    laws_.expect(!hears && !node.raft->is_leader(), "{} helps a rival of a leader that it hears",
                 id);
}

// One change after the other, none before the epoch has committed, and each of one voter: any two
// majorities have a voter in common.
void TestCluster::check_voters_record(std::int32_t id, const VotersRecord& record) {
    const Node& node = nodes_.at(id);
    std::int64_t epoch_start = record.span.base;
    while (epoch_start > node.start && node.at(epoch_start - 1).epoch == record.span.epoch)
        --epoch_start;
    if (!record.kraft_version) {
        // What is in a snapshot is committed.
        bool in_snapshot = node.snapshot && node.snapshot->at.epoch == record.span.epoch;
        laws_.expect(in_snapshot || node.high_watermark > epoch_start,
                     "{} changes the voters before epoch {} has committed", id, record.span.epoch);
    }
    for (std::int64_t at = std::max(node.start, node.high_watermark); at < record.span.base; ++at)
        laws_.expect(node.at(at).voters == 0, "{} changes voters that are not committed", id);
    const VoterSet& before = voters_in_log(node, record.span.base);
    auto missing = [](const VoterSet& from, const VoterSet& in) {
        return std::ranges::count_if(from.voters(), [&](const Voter& voter) {
            return !in.contains(voter.key) && !voter.key.directory.is_zero();
        });
    };
    laws_.expect(missing(before, record.voters) + missing(record.voters, before) <= 1,
                 "{} changes more than one voter", id);
}

// What the step function believes of the log is what is there.
void TestCluster::check_log(std::int32_t id) {
    const Node& node = nodes_.at(id);
    const LogFacts& facts = node.raft->log();
    laws_.expect(facts.end == node.end() && facts.start == node.start,
                 "{} believes that its log is [{},{})", id, facts.start, facts.end);
    std::int32_t last = !node.log.empty() ? node.log.back().epoch
                        : node.snapshot   ? node.snapshot->at.epoch
                                          : 0;
    laws_.expect(facts.last_epoch() == last, "{} believes in another last epoch", id);
    laws_.expect(node.raft->voters() == voters_in_log(node, node.end()),
                 "{} goes by other voters than its log says", id);
    if (node.raft->is_leader()) check_leader(id);
}

// It hears from a majority, and goes when it is no voter any more.
void TestCluster::check_leader(std::int32_t id) {
    Node& node = nodes_.at(id);
    const VoterSet& voters = voters_in_log(node, node.end());
    bool votes = voters.contains(key_of(id));
    std::int64_t changed = -1;
    for (std::int64_t at = node.start; at < node.end(); ++at) {
        if (node.at(at).voters != 0) changed = at;
    }
    laws_.expect(votes || changed >= node.high_watermark, "{} leads, and is no voter any more", id);
    if (votes && voters.size() == 1) return;
    std::vector<Time> heard;
    for (const Voter& voter : voters.voters()) {
        auto at = node.heard.find(voter.key.id);
        Time last = at == node.heard.end() ? Time() : at->second;
        heard.push_back(voter.key.id == id ? now_ : std::max(last, node.voters_since));
    }
    std::ranges::sort(heard, std::greater<>{});
    // Twice the time in which a majority has to fetch: a round of fetches may have begun before.
    Duration patience = Options{}.fetch_timeout * 3;
    laws_.expect(now_ - heard.at(voters.majority() - 1) <= patience,
                 "{} leads, and does not hear from a majority", id);
}

// What is seen of a quorum ------------------------------------------------------------------------

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

std::vector<std::int32_t> TestCluster::voters() const {
    std::vector<std::int32_t> ids;
    std::optional<std::int32_t> leading = leader();
    if (!leading || raft(*leading)->voters_uncommitted()) return ids;
    for (const Voter& voter : raft(*leading)->voters().voters()) ids.push_back(voter.key.id);
    return ids;
}

std::string TestCluster::describe() const {
    std::string text = broken() + "\n";
    for (const auto& [id, node] : nodes_) {
        text += fmt::format("{}: ", id);
        if (node.raft == nullptr) {
            text += "down\n";
            continue;
        }
        text += fmt::format("{} epoch {} leader {} log [{},{}) durable {} high watermark {} voters",
                            to_string(node.raft->role()), node.raft->epoch(), node.raft->leader(),
                            node.start, node.end(), node.durable_end, node.high_watermark);
        for (const Voter& voter : node.raft->voters().voters())
            text += fmt::format(" {}", voter.key.id);
        text += "\n";
    }
    return text;
}

}  // namespace millrace::raft
