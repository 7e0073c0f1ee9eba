#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace millrace::cli {

struct Outsider;

// The script that makes a shell ("bash", "zsh" or "fish") complete commands, their links, flags
// and the choices of flags, from the tools' declarations; nothing for another shell.
std::optional<std::string> completion_script(std::string_view shell,
                                             std::span<const Outsider> outsiders);

}  // namespace millrace::cli
