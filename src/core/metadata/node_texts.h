#pragma once

#include <string>
#include <string_view>

#include "core/metadata/nodes.h"
#include "core/metadata/partition.h"
#include "core/metadata/security.h"

// One line of text for a value of an image, as Apache's classes print themselves.
namespace millrace::metadata {

std::string text_of(const Broker& broker);
std::string text_of(const Controller& controller);
std::string text_of(const Partition& partition);
std::string text_of(const Acl& acl);
std::string text_of(const ScramCredential& credential);
std::string text_of(std::string_view id, const DelegationToken& token);

}  // namespace millrace::metadata
