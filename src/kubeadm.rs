//! kubeadm files.
