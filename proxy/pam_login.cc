#include "proxy/pam_login.h"

#include <security/pam_appl.h>

#include <cstdlib>
#include <cstring>

namespace proxy {
namespace {

struct Conversation {
  const PamQuestion& question;
  std::string remarks;  // what the modules said
};

void Forget(pam_response* answers, int count) {
  for (int i = 0; i < count; ++i) {
    if (answers[i].resp == nullptr) continue;
    explicit_bzero(answers[i].resp, std::strlen(answers[i].resp));
    std::free(answers[i].resp);
  }
  std::free(answers);
}

void Note(Conversation& talk, const char* text) {
  if (text == nullptr || talk.remarks.size() >= kPamMessagesMax) return;
  talk.remarks += (talk.remarks.empty() ? "" : "; ") + std::string(text);
  if (talk.remarks.size() > kPamMessagesMax) talk.remarks.resize(kPamMessagesMax);
}

// What the modules are answered; the answers are theirs to free, so they come from malloc.
int Converse(int count, const pam_message** messages, pam_response** answers, void* data) {
  auto& talk = *static_cast<Conversation*>(data);
  if (count <= 0 || count > PAM_MAX_NUM_MSG) return PAM_CONV_ERR;
  auto* made = static_cast<pam_response*>(std::calloc(static_cast<size_t>(count), sizeof(pam_response)));
  if (made == nullptr) return PAM_BUF_ERR;
  for (int i = 0; i < count; ++i) {
    switch (messages[i]->msg_style) {
      case PAM_PROMPT_ECHO_OFF:
        made[i].resp = strdup(talk.question.password.Reveal().c_str());
        if (made[i].resp != nullptr) break;
        Forget(made, count);
        return PAM_BUF_ERR;
      case PAM_ERROR_MSG:
      case PAM_TEXT_INFO: Note(talk, messages[i]->msg); break;
      default:
        Note(talk, "a module asks for more than a password");
        Forget(made, count);
        return PAM_CONV_ERR;
    }
  }
  *answers = made;
  return PAM_SUCCESS;
}

}  // namespace

std::string AskPam(const PamQuestion& question) {
  Conversation talk{question, {}};
  const pam_conv conversation{Converse, &talk};
  pam_handle_t* pam = nullptr;
  const char* folder = question.config_dir.empty() ? nullptr : question.config_dir.c_str();
  const char* step = "pam_start";
  int status = pam_start_confdir(question.service.c_str(), question.user.c_str(), &conversation, folder, &pam);
  if (status == PAM_SUCCESS && !question.remote_host.empty()) {
    step = "PAM_RHOST";
    status = pam_set_item(pam, PAM_RHOST, question.remote_host.c_str());
  }
  if (status == PAM_SUCCESS) {
    step = "pam_authenticate";
    status = pam_authenticate(pam, PAM_DISALLOW_NULL_AUTHTOK);
  }
  if (status == PAM_SUCCESS) {
    step = "pam_acct_mgmt";
    status = pam_acct_mgmt(pam, PAM_DISALLOW_NULL_AUTHTOK);
  }
  std::string fault;
  if (status != PAM_SUCCESS) {
    fault = "PAM service " + question.service + ": " + step + ": " + pam_strerror(pam, status);
    if (!talk.remarks.empty()) fault += " (" + talk.remarks + ")";
  }
  if (pam != nullptr) pam_end(pam, status);
  return fault;
}

}  // namespace proxy
