#include "core/raft/message.h"

#include <fmt/format.h>

#include "core/raft/raft.h"

namespace millrace::raft {
namespace {

std::string to_string(const Answer& answer) {
    std::string text = fmt::format("leader {} epoch {}", answer.leader, answer.epoch);
    if (answer.error != ErrorCode::none) text += fmt::format(" error {}", name_of(answer.error));
    return text;
}
std::string to_string(const VoterSet& voters) {
    std::string text;
    for (const Voter& voter : voters.voters())
        text += fmt::format("{}{}", text.empty() ? "" : " ", to_string(voter.key));
    return text;
}
std::string to_string(OffsetAndEpoch at) { return fmt::format("{}@{}", at.offset, at.epoch); }

std::string describe(const VoteRequest& r) {
    return fmt::format("{} epoch {} candidate {} log {}", r.pre_vote ? "pre-vote" : "vote", r.epoch,
                       r.candidate.id, to_string(r.last));
}
std::string describe(const BeginEpochRequest& r) {
    return fmt::format("begin epoch {} leader {}", r.epoch, r.leader);
}
std::string describe(const EndEpochRequest& r) {
    return fmt::format("end epoch {} leader {}", r.epoch, r.leader);
}
std::string describe(const FetchRequest& r) {
    return fmt::format("fetch {} epoch {} high watermark {}", to_string(r.from), r.epoch,
                       r.high_watermark);
}
std::string describe(const AddVoterRequest& r) {
    return fmt::format("add voter {}", to_string(r.voter.key));
}
std::string describe(const RemoveVoterRequest& r) {
    return fmt::format("remove voter {}", to_string(r.voter));
}
std::string describe(const UpdateVoterRequest& r) {
    return fmt::format("update voter {} epoch {}", to_string(r.voter.key), r.epoch);
}
std::string describe(const VersionsRequest&) { return "versions"; }
std::string describe(const VoteResponse& r) {
    return fmt::format("{}, {}", r.granted ? "granted" : "refused", to_string(r.answer));
}
std::string describe(const BeginEpochResponse& r) {
    return fmt::format("epoch begun, {}", to_string(r.answer));
}
std::string describe(const EndEpochResponse& r) {
    return fmt::format("epoch ended, {}", to_string(r.answer));
}
std::string describe(const FetchResponse& r) {
    std::string text =
        fmt::format("fetched, {} high watermark {}", to_string(r.answer), r.high_watermark);
    if (r.diverging) text += fmt::format(" diverging {}", to_string(*r.diverging));
    if (r.snapshot) text += fmt::format(" snapshot {}", to_string(*r.snapshot));
    if (r.with_records) text += " with records";
    return text;
}

std::string describe(const VoterChangeResponse& r) {
    if (r.error == ErrorCode::none) return "voters changed";
    return fmt::format("voters not changed, error {}", name_of(r.error));
}
std::string describe(const UpdateVoterResponse& r) {
    return fmt::format("voter updated, {}", to_string(r.answer));
}
std::string describe(const VersionsResponse& r) {
    return fmt::format("kraft.version {} to {}", r.min_kraft_version, r.max_kraft_version);
}

}  // namespace

std::string to_string(const Request& request) {
    return std::visit([](const auto& r) { return describe(r); }, request);
}
std::string to_string(const Response& response) {
    return std::visit([](const auto& r) { return describe(r); }, response);
}

std::string_view to_string(Role role) {
    switch (role) {
        case Role::unattached:
            return "unattached";
        case Role::prospective:
            return "prospective";
        case Role::candidate:
            return "candidate";
        case Role::leader:
            return "leader";
        case Role::follower:
            return "follower";
        case Role::resigned:
            return "resigned";
    }
    return "?";
}

bool Actions::empty() const {
    return !truncate_to && !persist && !epoch_start && !voters_record && appends.empty() &&
           sends.empty() && replies.empty() && !fetch_snapshot && !leadership && !high_watermark;
}

std::string to_string(const Actions& actions) {
    std::string text;
    auto line = [&](const std::string& one) { text += one + "\n"; };
    if (actions.truncate_to) line(fmt::format("truncate to {}", *actions.truncate_to));
    if (const auto& p = actions.persist) {
        line(fmt::format("persist #{}: epoch {} leader {} voted {}", p->version, p->state.epoch,
                         p->state.leader, p->state.voted.id));
    }
    if (const auto& s = actions.epoch_start) {
        line(fmt::format("append [{},{}) epoch {}: leader change{}", s->span.base, s->span.end,
                         s->span.epoch, s->voter_set ? " with voters" : ""));
    }
    if (const auto& v = actions.voters_record) {
        line(fmt::format("append [{},{}) epoch {}: voters {}", v->span.base, v->span.end,
                         v->span.epoch, to_string(v->voters)));
    }
    for (const Append& a : actions.appends)
        line(fmt::format("append [{},{}) epoch {}", a.span.base, a.span.end, a.span.epoch));
    for (const Send& s : actions.sends)
        line(fmt::format("send to {}: {}", s.to, to_string(s.request)));
    for (const Reply& r : actions.replies)
        line(fmt::format("reply #{}: {}", r.token, to_string(r.response)));
    if (const auto& f = actions.fetch_snapshot)
        line(fmt::format("fetch snapshot {} from {}", to_string(f->snapshot), f->from));
    if (const auto& l = actions.leadership)
        line(fmt::format("{} epoch {} leader {}", to_string(l->role), l->epoch, l->leader));
    if (actions.high_watermark) line(fmt::format("high watermark {}", *actions.high_watermark));
    return text;
}

}  // namespace millrace::raft
