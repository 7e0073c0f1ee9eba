#include "env/network.h"

#include <fmt/core.h>

namespace millrace::env {

std::string Address::to_string() const {
    bool v6 = host.find(':') != std::string::npos;
    return v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

bool ReadOperation::start() { return connection.begin(*this); }
void ReadOperation::give_up() { connection.give_up(*this); }
bool WriteOperation::start() { return connection.begin(*this); }
void WriteOperation::give_up() { connection.give_up(*this); }

bool AcceptOperation::start() { return listener.begin(*this); }
void AcceptOperation::give_up() { listener.give_up(*this); }
Result<std::unique_ptr<Connection>> AcceptOperation::await_resume() {
    throw_if_cancelled();
    return std::move(result);
}

bool ConnectOperation::start() { return network.begin(*this); }
void ConnectOperation::give_up() { network.give_up(*this); }
Result<std::unique_ptr<Connection>> ConnectOperation::await_resume() {
    throw_if_cancelled();
    return std::move(result);
}

Task<Result<>> read_exactly(Connection& connection, MutableBytes into) {
    std::size_t filled = 0;
    while (filled < into.size()) {
        ASSIGN_OR_CO_RETURN(std::size_t count, co_await connection.read(into.subspan(filled)));
        if (count == 0) {
            co_return fail(ErrorCode::network_exception,
                           fmt::format("{} closed the connection after {} of {} bytes",
                                       connection.peer().to_string(), filled, into.size()));
        }
        filled += count;
    }
    co_return Result<>{};
}

}  // namespace millrace::env
