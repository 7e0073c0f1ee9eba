#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/time.h"
#include "core/groups/group_options.h"
#include "protocol/describe_groups.h"
#include "protocol/group_metadata.h"
#include "protocol/heartbeat.h"
#include "protocol/join_group.h"
#include "protocol/leave_group.h"
#include "protocol/sync_group.h"

namespace millrace::groups {

// Names a request that waits for the group; chosen by the driver, never 0.
using Ticket = std::uint64_t;

struct Reply {
    Ticket ticket = 0;
    std::variant<JoinGroupResponse, SyncGroupResponse> response;
};

// A record that must be committed; its outcome is told to the group by written().
struct Write {
    std::uint64_t id = 0;
    GroupMetadataValue value;
};

// What a step asks of its driver.
struct Actions {
    std::vector<Reply> replies;
    std::vector<Write> writes;
};

// Who sends a request.
struct Client {
    std::string id;
    std::string host;  // as Kafka prints it: "/127.0.0.1"
    bool operator==(const Client&) const = default;
};

struct Protocol {
    std::string name;
    Slice metadata;
    bool operator==(const Protocol& other) const {
        return name == other.name && metadata.view() == other.metadata.view();
    }
};

struct Member {
    std::string id;
    std::optional<std::string> instance_id;
    Client client;
    Duration rebalance_timeout;
    Duration session_timeout;
    std::vector<Protocol> protocols;  // most preferred first
    Slice assignment;
    std::uint64_t joined = 0;  // order of joining
    Ticket join_ticket = 0;
    Ticket sync_ticket = 0;
    Time session_deadline;

    bool is_static() const { return instance_id.has_value(); }
    bool waits() const { return join_ticket != 0 || sync_ticket != 0; }
    const Protocol* find(std::string_view name) const;
};

enum class GroupState { empty, preparing_rebalance, completing_rebalance, stable, dead };
std::string_view to_string(GroupState state);  // "PreparingRebalance"

// The membership of one group by the classic protocol (KIP-62, static members KIP-345, cooperative
// rebalances KIP-429, skipped assignment KIP-814): a pure step machine. Every call may change the
// group and adds to `actions` what must follow. Requests that wait get their reply by ticket later.
class ClassicGroup {
  public:
    ClassicGroup(std::string id, const GroupOptions& options)
        : id_(std::move(id)), options_(options) {}

    // `new_id` is the id a member gets that has none.
    void join(const JoinGroupRequest& request, std::int16_t version, const Client& client,
              const std::string& new_id, Ticket ticket, Time now, Actions& actions);
    void sync(const SyncGroupRequest& request, Ticket ticket, Time now, Actions& actions);
    ErrorCode heartbeat(const HeartbeatRequest& request, Time now);
    LeaveGroupResponse leave(const LeaveGroupRequest& request, std::int16_t version, Time now,
                             Actions& actions);
    // What has run out by `now` ends: sessions, rebalances, members that never came back.
    void tick(Time now, Actions& actions);
    // No tick is needed before.
    Time wake_at() const { return wake_at_; }
    // The outcome of a write that was asked for.
    void written(std::uint64_t id, ErrorCode outcome, Time now, Actions& actions);
    // Whether a commit of offsets by this member is in order; keeps its session alive.
    ErrorCode check_commit(std::string_view member_id,
                           const std::optional<std::string>& instance_id, std::int32_t generation,
                           Time now);
    // The same for one that belongs to a transaction (KIP-447), which may come in any state and
    // says nothing of the session.
    ErrorCode check_transactional_commit(std::string_view member_id,
                                         const std::optional<std::string>& instance_id,
                                         std::int32_t generation);

    // A stable group that was one of the consumer protocol until now; its members have their
    // protocols, and no assignments yet.
    static std::unique_ptr<ClassicGroup> adopt(std::string id, const GroupOptions& options,
                                               std::int32_t generation, std::vector<Member> members,
                                               Time now);
    void set_assignment(const std::string& member_id, Slice assignment);
    void rebalance(Time now, Actions& actions) { prepare_rebalance(now, actions); }
    GroupMetadataValue value() const { return value_with(nullptr); }

    // `since`: when it came into its state, where the log tells.
    void restore(const GroupMetadataValue& value, std::optional<Time> since, Time now);
    // The group goes away (deleted, or its partition moved): who waits is told `error`.
    void end(ErrorCode error, Actions& actions);

    const std::string& id() const { return id_; }
    GroupState state() const { return state_; }
    std::optional<Time> state_since() const { return state_since_; }
    std::int32_t generation() const { return generation_; }
    const std::optional<std::string>& protocol_type() const { return protocol_type_; }
    bool has_members() const { return !members_.empty() || !pending_.empty(); }
    std::size_t size() const { return members_.size(); }
    const std::map<std::string, Member>& members() const { return members_; }
    const std::optional<std::string>& protocol() const { return protocol_; }
    DescribeGroupsResponse::DescribedGroup describe() const;
    // Topics that a member subscribes to, as far as its subscription can be read.
    std::set<std::string> subscribed_topics() const;
    bool all_subscriptions_known() const;

  private:
    struct PendingWrite {
        std::int32_t generation = 0;
        bool completes_sync = false;
        Ticket ticket = 0;  // of a static member that took its place back
        JoinGroupResponse response;
    };

    // Joining.
    void join_new_dynamic(const JoinGroupRequest& request, std::int16_t version,
                          const Client& client, const std::string& new_id, Ticket ticket, Time now,
                          Actions& actions);
    void join_new_static(const JoinGroupRequest& request, std::int16_t version,
                         const Client& client, const std::string& new_id, Ticket ticket, Time now,
                         Actions& actions);
    void join_known(const JoinGroupRequest& request, const Client& client, Ticket ticket, Time now,
                    Actions& actions);
    void rejoin(Member& member, const JoinGroupRequest& request, Ticket ticket, Time now,
                Actions& actions);
    void add_member(const JoinGroupRequest& request, const Client& client, std::string member_id,
                    Ticket ticket, Time now, Actions& actions);
    void take_place(Member& old, const JoinGroupRequest& request, std::int16_t version,
                    const Client& client, const std::string& new_id, Ticket ticket, Time now,
                    Actions& actions);
    ErrorCode check_join(const JoinGroupRequest& request) const;
    bool accepts(const JoinGroupRequest& request) const;
    bool shares_protocol(const JoinGroupRequest& request) const;
    void update(Member& member, const JoinGroupRequest& request);
    void count_protocols(const Member& member, bool comes);

    // Rebalancing.
    void prepare_rebalance(Time now, Actions& actions);
    void complete_join_if_all(Time now, Actions& actions);
    void complete_join(Time now, Actions& actions);
    void elect_leader();
    // Whom Apache Kafka finds first in its table of members; null when there is none such.
    template <typename Wanted>
    const Member* first_member(Wanted wanted) const;
    std::string select_protocol() const;
    void reply_to_joins(Time now, Actions& actions);
    void reply_to_syncs(ErrorCode error, Time now, Actions& actions);
    void remove_member(const std::string& member_id, Actions& actions);
    void after_removal(Time now, Actions& actions);
    void expire_members(Time now, Actions& actions);
    void expire_unsynced(Time now, Actions& actions);
    std::uint64_t write(PendingWrite pending, Actions& actions);
    GroupMetadataValue value_with(const std::map<std::string, Slice>* assignments) const;

    JoinGroupResponse current_generation(const Member& member, bool with_members) const;
    ErrorCode check_member(std::string_view member_id,
                           const std::optional<std::string>& instance_id) const;
    bool protocol_differs(const std::optional<std::string>& type,
                          const std::optional<std::string>& name) const;
    void enter(GroupState state, Time now) {
        state_ = state;
        state_since_ = now;
    }
    void alive(Member& member, Time now);
    void wake_by(Time time) { wake_at_ = std::min(wake_at_, time); }
    Duration longest_rebalance_timeout() const;

    std::string id_;
    const GroupOptions& options_;
    GroupState state_ = GroupState::empty;
    std::optional<Time> state_since_;
    std::int32_t generation_ = 0;
    std::optional<std::string> protocol_type_;
    std::optional<std::string> protocol_;
    std::optional<std::string> leader_;
    std::map<std::string, Member> members_;
    std::map<std::string, std::size_t> supporters_;  // members by each protocol that they know
    std::string first_awaited_;                      // of a rebalance: members before it have come
    std::map<std::string, std::string> static_members_;  // instance id -> member id
    std::map<std::string, Time> pending_;                // ids given out by MEMBER_ID_REQUIRED
    std::set<std::string> unsynced_;                     // of this generation
    std::map<std::uint64_t, PendingWrite> writes_;
    std::map<std::string, Slice> next_assignments_;  // of the leader's sync that is being written
    std::uint64_t next_write_ = 0;
    std::uint64_t joins_ = 0;
    std::size_t most_members_ = 0;  // that it ever had: such a table does not become smaller
    bool initial_join_ = false;     // the rebalance of a group that was empty waits for company
    bool joined_since_delay_ = false;
    Time rebalance_started_;
    Time rebalance_deadline_ = Time::never();
    Time sync_deadline_ = Time::never();
    Time wake_at_ = Time::never();
};

}  // namespace millrace::groups
