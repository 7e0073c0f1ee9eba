#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "broker/controller_channel.h"
#include "broker/envelope.h"
#include "broker/handler.h"
#include "broker/metadata_cache.h"
#include "broker/work_meter.h"
#include "config/broker_config.h"
#include "core/controller/create_topics.h"
#include "env/shard.h"
#include "quorum/metadata_quorum.h"

namespace millrace::broker {

// The way to the active controller, in this process or in another one.
class Controllers {
  public:
    Controllers(env::Shard& shard, quorum::MetadataQuorum& quorum, ControllerChannel& channel,
                MetadataCache& metadata, const config::BrokerConfig& config)
        : shard_(shard),
          quorum_(quorum),
          channel_(channel),
          metadata_(metadata),
          config_(config),
          scope_(shard) {}

    // The controller's answer to a command of this node, when its records are committed; where the
    // controller is in this process, when this shard's image shows them, too. A controller is
    // looked for as long as `patience`: not_controller when none could be reached.
    template <typename Command>
    Task<Result<quorum::ResponseOf<Command>>> submit(Command command, Duration patience) {
        auto ask = [&](Duration timeout) { return channel_.ask(shard_, command.request, timeout); };
        co_return co_await repeat(command, patience, ask);
    }
    template <typename Command>
    Task<Result<quorum::ResponseOf<Command>>> submit(Command command) {
        return submit(std::move(command), Duration::milliseconds(config_.request_timeout_ms()));
    }
    // The same for a client. What came by a controllers' listener is for this node to decide, or
    // for nobody.
    template <typename Command>
    Task<Result<quorum::ResponseOf<Command>>> submit(Command command, const Caller& caller) {
        if (caller.peer().listener->is_controller) {
            auto decided = co_await decide_here(command);
            if (decided) co_return *std::move(decided);
            co_return fail(decided.error());
        }
        co_return co_await submit_for(command, forwarded_for(caller.peer(), caller.client_id()),
                                      caller.version());
    }
    // A client's request that the active controller answers, which is another node.
    template <typename Request>
    Task<Result<typename Request::Response>> forward(const Request& request, const Caller& caller) {
        ForwardedFor sender = forwarded_for(caller.peer(), caller.client_id());
        co_return co_await channel_.forward(shard_, request, caller.version(), sender,
                                            Duration::milliseconds(config_.request_timeout_ms()));
    }

    // A change of the quorum's voters, which its leader makes.
    template <typename Request>
    Task<typename Request::Response> change_voters(const Request& request, const Caller& caller) {
        using Response = typename Request::Response;
        bool by_broker = !caller.peer().listener->is_controller;
        if (by_broker && leader_id() != config_.node_id()) {
            Result<Response> told = co_await forward(request, caller);
            if (told) co_return *std::move(told);
            Response failed;
            failed.error_code = told.error().code;
            failed.error_message = told.error().message;
            co_return failed;
        }
        quorum::Asker asker{caller.peer().listener->name, caller.version()};
        auto ask = [&](env::Shard&) { return quorum_.answer(request, asker); };
        auto told = co_await measured_call_on(shard_, 0, ask);
        co_return std::move(told.response);
    }

    // Makes those of the topics that can be made, with the defaults of this node: internal topics
    // get what their coordinators need. What became of each shows in the image.
    Task<void> auto_create(std::vector<std::string> topics);
    // The same for a client, in its name and against its quota, while it goes on. Topics that are
    // being made already are left out, and so are those beyond a hundred: clients ask again.
    void auto_create_later(std::vector<std::string> topics, const Caller& caller,
                           controller::MutationQuotaPtr quota);
    // Makes these as they are told for a client, in its name and against its quota, while it goes
    // on; `done` hears the controller's answer.
    void create_later(std::vector<CreateTopicsRequest::CreatableTopic> topics, const Caller& caller,
                      controller::MutationQuotaPtr quota,
                      std::function<void(const Result<CreateTopicsResponse>&)> done);
    // Ends what goes on.
    Task<void> close() { return scope_.close(); }

    // raft::no_node while nobody leads.
    std::int32_t leader_id() const { return quorum_.leader_id(); }
    // The finalized level of kraft.version, which is not in the image.
    std::int16_t kraft_version() const { return quorum_.kraft_version(); }
    Task<quorum::QuorumStatus> status();

  private:
    template <typename Command>
    Task<Result<quorum::ResponseOf<Command>>> decide_here(const Command& command) {
        auto on_controller = [&](env::Shard&) { return quorum_.submit(Command(command)); };
        ASSIGN_OR_CO_RETURN(auto committed, co_await measured_call_on(shard_, 0, on_controller));
        co_await metadata_.until(
            [&](const metadata::Image& image) { return image.offset >= committed.offset; });
        co_return std::move(committed.response);
    }
    // Here or there, until a controller has decided. What one decided that was lost on the way back
    // is asked again, as Apache's brokers do.
    template <typename Command, typename Ask>
    Task<Result<quorum::ResponseOf<Command>>> repeat(const Command& command, Duration patience,
                                                     Ask ask) {
        Time deadline = shard_.now() + patience;
        for (int failures = 1;; ++failures) {
            auto decided = co_await decide_here(command);
            if (!decided && decided.error().code == ErrorCode::not_controller)
                decided = co_await ask(deadline - shard_.now());
            if (decided || !may_change(decided.error().code)) co_return decided;
            Duration pause = pause_after(failures);
            if (shard_.now() + pause >= deadline) co_return decided;
            co_await env::sleep_for(shard_, pause);
        }
    }
    // In the name of a client.
    template <typename Command>
    Task<Result<quorum::ResponseOf<Command>>> submit_for(const Command& command,
                                                         ForwardedFor sender,
                                                         std::int16_t version) {
        auto ask = [&](Duration timeout) {
            return channel_.forward(shard_, command.request, version, sender, timeout);
        };
        co_return co_await repeat(command, Duration::milliseconds(config_.request_timeout_ms()),
                                  ask);
    }
    static bool may_change(ErrorCode code);
    Duration pause_after(int failures);
    controller::CreateTopics creation_of(const std::vector<std::string>& topics) const;
    Task<void> create_for(std::vector<std::string> topics, ForwardedFor sender,
                          controller::MutationQuotaPtr quota);

    env::Shard& shard_;
    quorum::MetadataQuorum& quorum_;
    ControllerChannel& channel_;
    MetadataCache& metadata_;
    const config::BrokerConfig& config_;
    std::set<std::string, std::less<>> being_made_;
    Scope scope_;
};

}  // namespace millrace::broker
