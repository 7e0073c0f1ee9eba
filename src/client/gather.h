#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "base/scope.h"
#include "base/task.h"

namespace millrace::client {

namespace detail {

template <typename T>
Task<void> keep_value(Task<T> task, std::optional<T>& into) {
    into.emplace(co_await std::move(task));
}

}  // namespace detail

// Runs the tasks side by side and gives their values in the same order.
template <typename T>
Task<std::vector<T>> gather(std::vector<Task<T>> tasks) {
    std::vector<std::optional<T>> values(tasks.size());
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (std::size_t i = 0; i < tasks.size(); ++i) {
            scope.spawn(detail::keep_value(std::move(tasks[i]), values[i]));
        }
        co_await scope.join();
    });
    std::vector<T> taken;
    taken.reserve(values.size());
    for (std::optional<T>& value : values) taken.push_back(*std::move(value));
    co_return taken;
}

}  // namespace millrace::client
